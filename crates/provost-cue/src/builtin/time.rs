//! Package time: times by Go's layouts, and durations. Reads no clock and knows no time zones but offsets.

mod calendar;
mod duration;
mod format;
mod layout;
mod parse;

use super::Builtin;
use super::call::Call;
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;

use calendar::Moment;

const S: Kinds = Kinds::STRING;
const I: Kinds = Kinds::INT;

const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

pub(super) static CONSTANTS: &[(&str, &str)] = &[
    ("Nanosecond", "1"),
    ("Microsecond", "1000"),
    ("Millisecond", "1000000"),
    ("Second", "1000000000"),
    ("Minute", "60000000000"),
    ("Hour", "3600000000000"),
    ("ANSIC", "\"Mon Jan _2 15:04:05 2006\""),
    ("UnixDate", "\"Mon Jan _2 15:04:05 MST 2006\""),
    ("RubyDate", "\"Mon Jan 02 15:04:05 -0700 2006\""),
    ("RFC822", "\"02 Jan 06 15:04 MST\""),
    ("RFC822Z", "\"02 Jan 06 15:04 -0700\""),
    ("RFC850", "\"Monday, 02-Jan-06 15:04:05 MST\""),
    ("RFC1123", "\"Mon, 02 Jan 2006 15:04:05 MST\""),
    ("RFC1123Z", "\"Mon, 02 Jan 2006 15:04:05 -0700\""),
    ("RFC3339", "\"2006-01-02T15:04:05Z07:00\""),
    ("RFC3339Nano", "\"2006-01-02T15:04:05.999999999Z07:00\""),
    ("RFC3339Date", "\"2006-01-02\""),
    ("Kitchen", "\"3:04PM\""),
    ("Kitchen24", "\"15:04\""),
    ("January", "1"),
    ("February", "2"),
    ("March", "3"),
    ("April", "4"),
    ("May", "5"),
    ("June", "6"),
    ("July", "7"),
    ("August", "8"),
    ("September", "9"),
    ("October", "10"),
    ("November", "11"),
    ("December", "12"),
    ("Sunday", "0"),
    ("Monday", "1"),
    ("Tuesday", "2"),
    ("Wednesday", "3"),
    ("Thursday", "4"),
    ("Friday", "5"),
    ("Saturday", "6"),
];

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::test("time.Time", &[S], |c| fits(c, RFC3339_NANO)),
    Builtin::test("time.Format", &[S, S], |c| {
        let layout = c.text(1);
        fits(c, &layout)
    }),
    Builtin::function("time.Parse", &[S, S], |c| {
        let moment = read(c, &c.text(0), &c.text(1))?;
        let text = format::format(&Moment { offset: 0, zone: None, ..moment }, RFC3339_NANO);
        c.answer(&text)
    }),
    Builtin::function("time.FormatString", &[S, S], |c| {
        let moment = read(c, RFC3339_NANO, &c.text(1))?;
        let text = format::format(&moment, &c.text(0));
        c.answer(&text)
    }),
    Builtin::function("time.Split", &[S], |c| {
        let moment = read(c, RFC3339_NANO, &c.text(0))?;
        let ((year, month, day), (hour, minute, second)) = moment.civil();
        let fields = [
            ("year", year),
            ("month", month),
            ("day", day),
            ("hour", hour),
            ("minute", minute),
            ("second", second),
            ("nanosecond", i64::from(moment.nanosecond)),
        ];
        c.record(fields.map(|(name, value)| (name, Value::int(value))).to_vec())
    }),
    Builtin::function("time.Unix", &[I, I], |c| {
        let (seconds, nanoseconds) = (c.int(0)?, c.int(1)?);
        match Moment::unix(seconds, nanoseconds) {
            Some(moment) => c.answer(&format::format(&moment, RFC3339_NANO)),
            None => c.complain("the time lies beyond what calendars reach"),
        }
    }),
    Builtin::test("time.Duration", &[S], |c| match duration::parse(&c.text(0)) {
        Ok(_) => Ok(Value::Bool(true)),
        Err(problem) => c.complain(problem),
    }),
    Builtin::function("time.ParseDuration", &[S], |c| match duration::parse(&c.text(0)) {
        Ok(nanoseconds) => Ok(Value::int(nanoseconds)),
        Err(problem) => c.complain(problem),
    }),
    Builtin::function("time.FormatDuration", &[I], |c| Ok(Value::text(&duration::format(c.int(0)?)))),
];

/// The time that a text says by a layout; without a zone it is one in UTC.
fn read(c: &Call<'_, '_>, layout: &str, value: &str) -> Eval<Moment> {
    match parse::parse(layout, value) {
        Ok(moment) => Ok(moment),
        Err(problem) => c.complain(problem),
    }
}

fn fits(c: &mut Call<'_, '_>, layout: &str) -> Eval {
    let value = c.text(0);
    match parse::parse(layout, &value) {
        Ok(_) => Ok(Value::Bool(true)),
        Err(_) => c.complain(format!("invalid time {}", crate::print::quote(&value))),
    }
}
