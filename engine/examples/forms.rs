//! Writes the normalised forms of files beside them: `forms FILE...` makes `FILE.0`, `FILE.1` and so on, and lists them.

fn main() -> std::io::Result<()> {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path)?;
        for (number, form) in engine::normalise::forms(&bytes).into_iter().enumerate() {
            println!("{path}\t{number}\t{}", form.name);
            std::fs::write(format!("{path}.{number}"), form.bytes)?;
        }
    }
    Ok(())
}
