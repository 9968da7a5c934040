//! Prints the hash of each picture it is given, as `sigtool --fuzzy-img` does: `cargo run -p engine --example image-hash -- FILE...`

use std::path::Path;
use std::time::Instant;

fn main() -> std::io::Result<()> {
    for path in std::env::args_os().skip(1) {
        let path = Path::new(&path);
        let bytes = std::fs::read(path)?;
        let start = Instant::now();
        let hash = engine::image_hash(&bytes);
        let name = path.file_name().unwrap_or_default().display();
        match hash {
            Ok(hash) => println!("{name}: {hash:016x}"),
            Err(error) => eprintln!("{name}: {error}"),
        }
        if std::env::var_os("TIMES").is_some() {
            eprintln!("{name}: {:?}", start.elapsed());
        }
    }
    Ok(())
}
