//! Kubernetes quantities in their canonical spelling, as the API machinery writes an object again: `1000m` is `1`.

use provost_expr::quantity::Quantity;

/// The canonical spelling of a quantity, `None` where the text is none.
#[must_use]
pub fn canonical(text: &str) -> Option<String> {
    text.parse::<Quantity>().ok()?.text().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_come_out_canonical() {
        for (text, want) in [
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("0.5", "500m"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("1000Mi", "1000Mi"),
            ("512", "512"),
            ("1000", "1k"),
            ("1024", "1024"),
            ("100000k", "100M"),
            ("0Gi", "0"),
            ("0.1Gi", "107374182400m"),
            ("0.5Ki", "512"),
            ("-1000m", "-1"),
            ("+1", "1"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("12e6", "12e6"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("5E", "5E"),
            (".5", "500m"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(want), "{text}");
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in ["", "1x", "1.2.3", "1 Gi", "1e", "--1"] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }
}
