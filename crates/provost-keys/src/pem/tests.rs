//! PEM blocks under test.

use super::{KEY_FILE_LIMIT, block, first_block};
use crate::error::KeyError;

fn read(text: &str) -> Option<(String, Vec<u8>)> {
    first_block(text.as_bytes()).unwrap().map(|block| (block.label, block.body.to_vec()))
}

#[test]
fn written_blocks_have_64_columns_and_read_back() {
    for length in [0, 1, 47, 48, 49, 96, 500] {
        let body: Vec<u8> = (0..length).map(|i| i as u8).collect();
        let text = block("PUBLIC KEY", &body);
        assert!(text.ends_with("-----END PUBLIC KEY-----\n"));
        assert!(text.lines().all(|line| line.len() <= 64));
        assert_eq!(read(&text), Some(("PUBLIC KEY".to_owned(), body)), "{length}");
    }
}

#[test]
fn text_headers_and_foreign_line_ends_are_skipped() {
    let expected = Some(("X".to_owned(), b"hello".to_vec()));
    for text in [
        "-----BEGIN X-----\naGVsbG8=\n-----END X-----\n",
        "-----BEGIN X-----\r\naGVs\r\nbG8=\r\n-----END X-----",
        "words before\n-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\n\naGVs\tbG8=\n-----END X-----\nwords after",
        "-----BEGIN BROKEN-----\n!!!\n-----END BROKEN-----\n-----BEGIN X-----\naGVsbG8=\n-----END X-----\n",
        "-----BEGIN CUT-----\nQUFB\n-----BEGIN X-----\naGVsbG8=\n-----END X-----\n",
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn no_block_is_no_error_and_no_block() {
    for text in
        ["", "garbage", "-----BEGIN X-----\naGVsbG8=\n", "-----BEGIN X-----\naGVsbG8=\n-----END Y-----\n"]
    {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn the_limit_is_exact() {
    let full = vec![b' '; KEY_FILE_LIMIT];
    assert!(first_block(&full).unwrap().is_none());
    let over = vec![b' '; KEY_FILE_LIMIT + 1];
    let refused = first_block(&over).err();
    assert_eq!(refused, Some(KeyError::TooLarge { limit: KEY_FILE_LIMIT, found: KEY_FILE_LIMIT + 1 }));
}
