//! The tree keeps its own rules.

#[test]
fn the_tree_keeps_its_rules() {
    assert_eq!(xtask::tidy::problems().unwrap(), Vec::<String>::new());
}
