//! Package encoding/base64: the usual alphabet with padding, the only encoding that CUE has.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Builtin;
use super::call::Call;
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;

const T: Kinds = Kinds::TOP;
const I: Kinds = Kinds::INT;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::function("encoding/base64.EncodedLen", &[T, I], |c| {
        usual(c)?;
        Ok(Value::int((c.big(1) + 2) / 3 * 4))
    }),
    Builtin::function("encoding/base64.DecodedLen", &[T, I], |c| {
        usual(c)?;
        Ok(Value::int(c.big(1) / 4 * 3))
    }),
    Builtin::function("encoding/base64.Encode", &[T, Kinds::STRING_OR_BYTES], |c| {
        usual(c)?;
        let text = STANDARD.encode(c.bytes(1));
        c.answer(&text)
    }),
    Builtin::function("encoding/base64.Decode", &[T, Kinds::STRING], |c| {
        usual(c)?;
        match decode(&c.text(1)) {
            Ok(bytes) => c.octets(bytes),
            Err(at) => c.complain(format!("illegal base64 data at input byte {at}")),
        }
    }),
];

/// Refuses any encoding but null, which stands for the usual one.
fn usual(c: &Call<'_, '_>) -> Eval<()> {
    let encoding = c.value(0);
    if encoding == Value::Null {
        return Ok(());
    }
    let shown = crate::print::value(c.context, &encoding);
    let kind = c.context.kinds_of(&encoding);
    c.complain(format!("base64: unsupported encoding: cannot use value {shown} (type {kind}) as null"))
}

/// Decodes; line ends do not count. `Err` is the byte at fault, as Go counts.
fn decode(text: &str) -> Result<Vec<u8>, usize> {
    let letters: Vec<(usize, u8)> =
        text.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n')).collect();
    let mut out = Vec::with_capacity(letters.len() / 4 * 3);
    for quantum in letters.chunks(4) {
        let mut bits = 0u32;
        let mut count = 0;
        for (index, (at, byte)) in quantum.iter().enumerate() {
            let digit = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' if index >= 2 => {
                    let last = quantum.last().map_or(*at, |(last, _)| *last);
                    let padded = quantum.iter().skip(index).all(|(_, byte)| *byte == b'=');
                    if quantum.len() < 4 {
                        return Err(text.len());
                    }
                    if !padded {
                        return Err(last);
                    }
                    break;
                }
                _ => return Err(*at),
            };
            bits = bits << 6 | u32::from(digit);
            count += 1;
        }
        if quantum.len() < 4 {
            let first = quantum.first().map_or(0, |(at, _)| *at);
            return Err(if count == quantum.len() { first } else { text.len() });
        }
        let [_, high, middle, low] = (bits << (6 * (4 - count))).to_be_bytes();
        out.extend([high, middle, low].into_iter().take(count - 1));
        if count < 4 {
            let end = quantum.last().map_or(0, |(at, _)| *at);
            // Nothing may follow the padding.
            return match letters.iter().find(|(at, _)| *at > end) {
                Some((at, _)) => Err(*at),
                None => Ok(out),
            };
        }
    }
    Ok(out)
}
