//! Package strconv: numbers and quoted strings as Go spells them.

mod float;
mod quote;

use num_bigint::BigInt;
use num_traits::{Num, Signed};

use super::Builtin;
use super::call::Call;
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;

use quote::Charset;

const S: Kinds = Kinds::STRING;
const I: Kinds = Kinds::INT;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::function("strconv.Unquote", &[S], |c| match quote::unquote(&c.text(0)) {
        Ok(text) => c.answer(&text),
        Err(problem) => c.complain(problem),
    }),
    Builtin::test("strconv.ParseBool", &[S], |c| match &*c.text(0) {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
        _ => failed(c, "ParseBool", "invalid syntax"),
    }),
    Builtin::function("strconv.FormatBool", &[Kinds::BOOL], |c| Ok(Value::text(&c.truth(0).to_string()))),
    Builtin::function("strconv.ParseFloat", &[S, I], float::parse),
    Builtin::function("strconv.ParseNumber", &[S], |c| {
        let text = c.text(0);
        match quote::number(&text) {
            Ok(number) => Ok(Value::Number(number.into())),
            Err(problem) => failed(c, "ParseNumber", &problem),
        }
    }),
    Builtin::function("strconv.ParseUint", &[S, I, I], |c| integer(c, "ParseUint", false)),
    Builtin::function("strconv.ParseInt", &[S, I, I], |c| integer(c, "ParseInt", true)),
    Builtin::function("strconv.Atoi", &[S], |c| match parse_integer(&c.text(0), 10) {
        Some(value) => Ok(Value::int(value)),
        None => failed(c, "Atoi", "invalid syntax"),
    }),
    Builtin::function("strconv.FormatFloat", &[Kinds::NUMBER, I, I, I], float::format),
    Builtin::function("strconv.FormatUint", &[I, I], format),
    Builtin::function("strconv.FormatInt", &[I, I], format),
    Builtin::function("strconv.Quote", &[S], |c| quoted(c, Charset::Print)),
    Builtin::function("strconv.QuoteToASCII", &[S], |c| quoted(c, Charset::Ascii)),
    Builtin::function("strconv.QuoteToGraphic", &[S], |c| quoted(c, Charset::Graphic)),
    Builtin::function("strconv.QuoteRune", &[I], |c| rune(c, Charset::Print)),
    Builtin::function("strconv.QuoteRuneToASCII", &[I], |c| rune(c, Charset::Ascii)),
    Builtin::function("strconv.QuoteRuneToGraphic", &[I], |c| rune(c, Charset::Graphic)),
    Builtin::test("strconv.IsPrint", &[I], |c| Ok(Value::Bool(letter(c)?.is_some_and(quote::is_print)))),
    Builtin::test("strconv.IsGraphic", &[I], |c| Ok(Value::Bool(letter(c)?.is_some_and(quote::is_graphic)))),
];

/// A text in double quotes as Go's strconv.Quote has it.
pub(super) fn quote(text: &str) -> String {
    quote::quote(text, '"', Charset::Print)
}

/// A complaint as Go's NumError words it.
fn failed<T>(c: &Call<'_, '_>, function: &str, problem: &str) -> Eval<T> {
    c.complain(format!(
        "strconv.{function}: parsing {}: {problem}",
        quote::quote(&c.text(0), '"', Charset::Print)
    ))
}

fn quoted(c: &mut Call<'_, '_>, charset: Charset) -> Eval {
    let quoted = quote::quote(&c.text(0), '"', charset);
    c.answer(&quoted)
}

fn letter(c: &Call<'_, '_>) -> Eval<Option<char>> {
    Ok(u32::try_from(c.sized(0, 32, "rune")?).ok().and_then(char::from_u32))
}

fn rune(c: &mut Call<'_, '_>, charset: Charset) -> Eval {
    let letter = letter(c)?.unwrap_or('\u{fffd}');
    let quoted = quote::quote(letter.encode_utf8(&mut [0; 4]), '\'', charset);
    c.answer(&quoted)
}

/// An integer as Go's big.Int reads it: base 0 goes by prefix, and then alone allows underscores.
fn parse_integer(text: &str, base: i64) -> Option<BigInt> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match (base, lower.get(..2)) {
        (0, Some("0x")) => (16, digits.get(2..)?),
        (0, Some("0b")) => (2, digits.get(2..)?),
        (0, Some("0o")) => (8, digits.get(2..)?),
        (0, Some(zero)) if zero.starts_with('0') => (8, digits.get(1..)?),
        (0, _) => (10, digits),
        (2..=36, _) => (u32::try_from(base).ok()?, digits),
        _ => return None,
    };
    let plain = match base {
        0 => {
            let prefixed = radix != 10;
            let whole = if prefixed { digits.strip_prefix('_').unwrap_or(digits) } else { digits };
            if whole.split('_').any(str::is_empty) {
                return None;
            }
            whole.replace('_', "")
        }
        _ => digits.to_owned(),
    };
    if plain.is_empty() || !plain.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let value = BigInt::from_str_radix(&plain, radix).ok()?;
    Some(if negative { -value } else { value })
}

fn integer(c: &mut Call<'_, '_>, function: &str, signed: bool) -> Eval {
    let (text, base, bits) = (c.text(0), c.int(1)?, c.int(2)?);
    let Ok(bits) = u64::try_from(bits) else { return failed(c, function, "value out of range") };
    c.context.spend(text.len())?;
    if base != 0 && !(2..=62).contains(&base) {
        return c.complain("invalid number base ".to_owned() + &base.to_string());
    }
    let Some(value) = parse_integer(&text, base) else { return failed(c, function, "invalid syntax") };
    let fits = match (signed, bits) {
        (false, _) if value.is_negative() => false,
        (_, 0) => true,
        (false, bits) => value.bits() <= bits,
        (true, bits) if value.is_negative() => (&value + BigInt::from(1)).bits() < bits,
        (true, bits) => value.bits() < bits,
    };
    if fits { Ok(Value::int(value)) } else { failed(c, function, "value out of range") }
}

fn format(c: &mut Call<'_, '_>) -> Eval {
    let (value, base) = (c.big(0), c.int(1)?);
    match u32::try_from(base).ok().filter(|base| (2..=36).contains(base)) {
        Some(base) => c.answer(&value.to_str_radix(base)),
        None => c.complain(format!("invalid base {base}: this evaluator writes bases 2 to 36")),
    }
}
