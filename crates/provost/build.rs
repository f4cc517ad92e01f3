//! Links `provost` at a fixed address, as Go links the programs it replaces, and lays side by side what verifying runs:
//! half of the time of a start is relocation, and most of its memory pages around functions (docs/adr/0013-start.md).

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=link-order.ld");
    let is = |key: &str, value: &str| env::var(key).is_ok_and(|found| found == value);
    if !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return;
    }
    println!("cargo:rustc-link-arg-bin=provost=-no-pie");
    // The unwinder from the compiler's archive: one library less to find, map and relocate.
    println!("cargo:rustc-link-lib=gcc_eh");
    // Another linker than rustc's own on this platform may not read scripts; without it, the program is merely larger
    // in memory.
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let own_linker = env::var_os("RUSTC_LINKER").is_none() && !flags.contains("link");
    if is("CARGO_CFG_TARGET_ARCH", "x86_64") && is("PROFILE", "release") && own_linker {
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bin=provost=-Wl,-T,{folder}/link-order.ld");
    }
}
