//! Links `provost` at a fixed address, as Go links the programs it replaces: a position-independent program of this
//! size spends half its start relocating itself (docs/adr/0012-start.md).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |key: &str, value: &str| std::env::var(key).is_ok_and(|found| found == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo:rustc-link-arg-bin=provost=-no-pie");
    }
}
