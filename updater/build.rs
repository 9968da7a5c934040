//! The schemas are built into the library: a change of one of them is a change of the library.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
