//! Package uuid: identifiers read, checked and made from names.

use md5::Md5;
use num_bigint::{BigInt, Sign};
use sha1::Sha1;
use sha2::Digest;

use super::Builtin;
use super::call::Call;
use crate::error::{Code, Reason};
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;

const S: Kinds = Kinds::STRING;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::test("uuid.Valid", &[S], |c| match parse(&c.text(0), true) {
        Ok(_) => Ok(Value::Bool(true)),
        Err(words) => c.context.stop(Code::Eval, Reason::Remark { words }),
    }),
    Builtin::function("uuid.Parse", &[S], |c| Ok(Value::text(&show(&read(c)?)))),
    Builtin::function("uuid.URN", &[S], |c| Ok(Value::text(&format!("urn:uuid:{}", show(&read(c)?))))),
    Builtin::function("uuid.FromInt", &[Kinds::INT], |c| {
        let (_, bytes) = c.big(0).to_bytes_be();
        let mut id = [0; 16];
        match 16usize.checked_sub(bytes.len()).and_then(|skip| id.get_mut(skip..)) {
            Some(tail) => tail.copy_from_slice(&bytes),
            None => return c.complain(format!("invalid UUID (got {} bytes)", bytes.len())),
        }
        Ok(Value::text(&show(&id)))
    }),
    // The number is that of the text's bytes, whatever the text.
    Builtin::function("uuid.ToInt", &[S], |c| {
        c.context.text_budget(c.text(0).len() * 3)?;
        Ok(Value::int(BigInt::from_bytes_be(Sign::Plus, c.text(0).as_bytes())))
    }),
    Builtin::function("uuid.Variant", &[S], |c| {
        let [_, _, _, _, _, _, _, _, byte, ..] = read(c)?;
        Ok(Value::int(match byte {
            0x80..=0xbf => 1,
            0xc0..=0xdf => 3,
            0xe0..=0xff => 4,
            _ => 2,
        }))
    }),
    Builtin::function("uuid.Version", &[S], |c| {
        let [_, _, _, _, _, _, byte, ..] = read(c)?;
        Ok(Value::int(byte >> 4))
    }),
    Builtin::function("uuid.SHA1", &[S, Kinds::STRING_OR_BYTES], |c| {
        let space = read(c)?;
        let digest = Sha1::new().chain_update(space).chain_update(c.bytes(1)).finalize();
        Ok(Value::text(&named(&digest, 5)))
    }),
    Builtin::function("uuid.MD5", &[S, Kinds::STRING_OR_BYTES], |c| {
        let space = read(c)?;
        let digest = Md5::new().chain_update(space).chain_update(c.bytes(1)).finalize();
        Ok(Value::text(&named(&digest, 3)))
    }),
];

fn read(c: &Call<'_, '_>) -> Eval<[u8; 16]> {
    match parse(&c.text(0), false) {
        Ok(id) => Ok(id),
        Err(problem) => c.complain(problem),
    }
}

/// An identifier in one of its four spellings; `Err` holds the words of the library that CUE uses.
fn parse(text: &str, strict: bool) -> Result<[u8; 16], String> {
    let plain = match text.len() {
        36 | 32 => text,
        45 => {
            let (prefix, rest) = text.split_at_checked(9).unwrap_or(("", text));
            if !prefix.eq_ignore_ascii_case("urn:uuid:") {
                return Err(format!("invalid urn prefix: {}", crate::print::quote(prefix)));
            }
            rest
        }
        38 => {
            let inner = text.get(1..37).unwrap_or_default();
            if strict && !(text.starts_with('{') && text.ends_with('}')) {
                return Err("invalid bracketed UUID format".to_owned());
            }
            inner
        }
        length => return Err(format!("invalid UUID length: {length}")),
    };
    let invalid = || "invalid UUID format".to_owned();
    let mut digits = String::with_capacity(32);
    for (at, letter) in plain.bytes().enumerate() {
        if plain.len() == 36 && matches!(at, 8 | 13 | 18 | 23) {
            if letter != b'-' {
                return Err(invalid());
            }
            continue;
        }
        digits.push(char::from(letter));
    }
    let bytes = hex::decode(&digits).map_err(|_| invalid())?;
    <[u8; 16]>::try_from(bytes.as_slice()).map_err(|_| invalid())
}

fn show(id: &[u8; 16]) -> String {
    let digits = hex::encode(id);
    let mut out = String::with_capacity(36);
    for (at, digit) in digits.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    out
}

/// An identifier made of a digest, with its version and variant set.
fn named(digest: &[u8], version: u8) -> String {
    let mut id = [0; 16];
    for (target, byte) in id.iter_mut().zip(digest) {
        *target = *byte;
    }
    let [_, _, _, _, _, _, v, _, variant, ..] = &mut id;
    *v = (*v & 0x0f) | (version << 4);
    *variant = (*variant & 0x3f) | 0x80;
    show(&id)
}
