//! Quantities at their bounds; the tables are in corpus/expr/quantities.json.

use super::{Quantity, QuantityError};

fn read(text: &str) -> Quantity {
    text.parse().unwrap()
}

#[test]
fn what_no_quantity_can_hold_stays_at_the_bound_or_is_refused() {
    assert_eq!(read("1e100"), read("1e40"));
    assert!(read("1e29") < read("1e100"));
    assert_eq!(read("1e100").add(&read("1")).unwrap_err(), QuantityError::Range);
    assert_eq!(read("1e20").multiply(&read("1e20")).unwrap_err(), QuantityError::Range);
    assert_eq!(read("1n").multiply(&read("0.5")).unwrap_err(), QuantityError::Range);
    assert_eq!(read("1e22").text().unwrap(), "10e21");
    assert_eq!(read("1000000E").text().unwrap_err(), QuantityError::Range);
    assert_eq!(read("9Ei").text().unwrap(), "9223372036854775807");
}

#[test]
fn rounding_is_up_to_a_nano_unit() {
    assert_eq!(read("0.1n"), read("1n"));
    assert_eq!(read("-0.1n"), read("-1n"));
    assert_eq!(read("0.12345678901").text().unwrap(), "123456790n");
}
