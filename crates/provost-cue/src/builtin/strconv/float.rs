//! Floats as text: Go's ParseFloat and FormatFloat.

use super::super::call::Call;
use super::failed;
use crate::fault::Eval;
use crate::number::{Decimal, Number};
use crate::value::Value;

/// Digits after the point that may be asked for; a float of 64 bits has at most 1,074.
const PLACES: usize = 2_000;

pub(super) fn parse(c: &mut Call<'_, '_>) -> Eval {
    let (text, bits) = (c.text(0), c.int(1)?);
    let Some(value) = read(&text) else { return failed(c, "ParseFloat", "invalid syntax") };
    let value = if bits == 32 { f64::from(value as f32) } else { value };
    if value.is_nan() || (value.is_infinite() && text.to_ascii_lowercase().contains("inf")) {
        return c.complain(format!("{text} is no number that can be compared"));
    }
    match Decimal::from_f64(value) {
        Some(decimal) => Ok(Value::Number(Number { float: true, decimal }.into())),
        None => failed(c, "ParseFloat", "value out of range"),
    }
}

fn read(text: &str) -> Option<f64> {
    let (sign, magnitude) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (if text.starts_with('-') { -1.0 } else { 1.0 }, rest),
        None => (1.0, text),
    };
    let lower = magnitude.to_ascii_lowercase();
    if let Some(hex) = lower.strip_prefix("0x") {
        let (mantissa, exponent) = hex.split_once('p')?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        // More than sixty bits of mantissa cannot be rounded here as Go rounds them.
        if digits.is_empty() || digits.trim_start_matches('0').len() > 15 {
            return None;
        }
        let mantissa = u64::from_str_radix(&digits, 16).ok()?;
        let exponent =
            exponent.parse::<i32>().ok()?.clamp(-5_000, 5_000) - 4 * fraction.len().min(1_000) as i32;
        return Some(sign * libm::ldexp(mantissa as f64, exponent));
    }
    match lower.as_str() {
        "inf" | "infinity" => return Some(sign * f64::INFINITY),
        "nan" => return Some(f64::NAN),
        _ => {}
    }
    let plain = lower.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'-' | b'+'));
    if plain { magnitude.parse::<f64>().ok().map(|value| sign * value) } else { None }
}

pub(super) fn format(c: &mut Call<'_, '_>) -> Eval {
    let value = c.float(0)?;
    let verb = c.unsigned(1, 8, "byte")? as u8;
    let (places, bits) = (c.int(2)?, c.int(3)?);
    if bits != 32 && bits != 64 {
        return c.complain("strconv: illegal AppendFloat/FormatFloat bitSize");
    }
    let places = usize::try_from(places).ok().map(|places| places.min(PLACES));
    let text = match verb {
        b'e' | b'E' => exponent(value, bits, places),
        b'f' => match places {
            Some(places) => format!("{value:.places$}"),
            None if bits == 32 => format!("{}", value as f32),
            None => format!("{value}"),
        },
        b'g' | b'G' => general(value, bits, places),
        b'b' | b'x' | b'X' => {
            let construct = format!("strconv.FormatFloat with format '{}'", char::from(verb));
            return Ok(c.context.unsupported(construct, None)?);
        }
        other => format!("%{}", char::from(other)),
    };
    let text = if verb.is_ascii_uppercase() { text.to_uppercase() } else { text };
    c.answer(&text)
}

/// `d.ddde±dd`, with as many digits as asked for or as are needed.
fn exponent(value: f64, bits: i64, places: Option<usize>) -> String {
    let text = match places {
        Some(places) => format!("{value:.places$e}"),
        None if bits == 32 => format!("{:e}", value as f32),
        None => format!("{value:e}"),
    };
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
}

/// The shorter of both spellings, as Go's %g: exponents below -4, and from the number of digits on, are spelled out.
fn general(value: f64, bits: i64, places: Option<usize>) -> String {
    let digits = places.map(|places| places.max(1));
    let spelled = exponent(value, bits, digits.map(|digits| digits - 1));
    let (mantissa, power) = spelled.split_once('e').unwrap_or((&spelled, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let short = mantissa.contains('.').then(|| mantissa.trim_end_matches('0').trim_end_matches('.'));
    let mantissa = short.unwrap_or(mantissa);
    let count = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let limit = match digits {
        Some(digits) if digits > count && count as i32 > power => count as i32,
        Some(digits) => digits as i32,
        None => 6,
    };
    if power < -4 || power >= limit {
        return format!("{mantissa}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs());
    }
    let places = (count as i32 - 1 - power).max(0) as usize;
    let plain: f64 = format!("{mantissa}e{power}").parse().unwrap_or(value);
    format!("{plain:.places$}")
}
