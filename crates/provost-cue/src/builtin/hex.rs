//! Package encoding/hex.

use super::Builtin;
use super::call::Call;
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;

const OCTETS: Kinds = Kinds::STRING_OR_BYTES;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::function("encoding/hex.EncodedLen", &[Kinds::INT], |c| Ok(Value::int(c.big(0) * 2))),
    Builtin::function("encoding/hex.DecodedLen", &[Kinds::INT], |c| Ok(Value::int(c.big(0) / 2))),
    Builtin::function("encoding/hex.Encode", &[OCTETS], |c| {
        let text = hex::encode(c.bytes(0));
        c.answer(&text)
    }),
    Builtin::function("encoding/hex.Decode", &[Kinds::STRING], decode),
    Builtin::function("encoding/hex.Dump", &[OCTETS], |c| {
        c.context.text_budget(c.bytes(0).len().saturating_mul(5))?;
        let text = dump(&c.bytes(0));
        c.answer(&text)
    }),
];

fn decode(c: &mut Call<'_, '_>) -> Eval {
    let text = c.text(0);
    match hex::decode(text.as_bytes()) {
        Ok(bytes) => c.octets(bytes),
        Err(_) => match text.bytes().find(|byte| !byte.is_ascii_hexdigit()) {
            // Go shows the byte as a rune of its own.
            Some(byte) => {
                let letter = char::from(byte);
                let code = u32::from(byte);
                c.complain(format!("encoding/hex: invalid byte: U+{code:04X} '{letter}'"))
            }
            None => c.complain("encoding/hex: odd length hex string"),
        },
    }
}

/// Sixteen bytes a line: the offset, the bytes in two halves, and what of them can be read.
fn dump(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (line, chunk) in bytes.chunks(16).enumerate() {
        let mut digits = String::new();
        for (index, byte) in chunk.iter().enumerate() {
            digits.push_str(if index == 8 { "  " } else { " " });
            digits.push_str(&format!("{byte:02x}"));
        }
        let readable = |byte: &u8| if (32..=126).contains(byte) { char::from(*byte) } else { '.' };
        let text: String = chunk.iter().map(readable).collect();
        out.push_str(&format!("{:08x} {digits:<50} |{text}|\n", line * 16));
    }
    out
}
