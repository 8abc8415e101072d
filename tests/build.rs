//! Puts the counting of calls (faults/calls.c) in front of the C library, in the executables that are tested here.

fn main() {
    const CALLS: &str = "faults/calls.c";
    println!("cargo:rerun-if-changed={CALLS}");
    let objects = cc::Build::new().file(CALLS).opt_level(1).warnings_into_errors(true).compile_intermediates();
    for object in objects {
        println!("cargo:rustc-link-arg-examples={}", object.display());
    }
}
