//! What a database costs to scan with, as text and as JSON.

use crate::output::{hex, say, size};
use patternc::Prices;
use patternc::prices::{Expected, SignaturePrice, TierPrice};
use serde_json::{Value, json};

/// The prices as JSON: of each tier, of all tiers by class, and of the dearest signatures.
pub(crate) fn facts(prices: &Prices) -> Value {
    json!({
        "tiers": prices.tiers.iter().map(tier).collect::<Vec<Value>>(),
        "expected": prices.by_class().map(|(class, sum)| expected(class.name(), sum)).collect::<Vec<Value>>(),
        "dearest": prices.dearest.iter().map(|dear| signature(dear, &prices.tiers)).collect::<Vec<Value>>(),
    })
}

fn tier(tier: &TierPrice) -> Value {
    let classes = engine::FileClass::ALL.into_iter().zip(tier.expected);
    json!({
        "window": tier.width, "stride": tier.stride, "folded": tier.folded, "signatures": tier.signatures,
        "windows": tier.windows, "filter_bytes": tier.filter_bytes, "bucket_bytes": tier.bucket_bytes,
        "largest_bucket": tier.largest_bucket, "crowded": tier.crowded, "false_passes": round(tier.false_passes),
        "expected": classes.map(|(class, of_class)| expected(class.name(), of_class)).collect::<Vec<Value>>(),
    })
}

fn expected(class: &str, expected: Expected) -> Value {
    json!({"class": class, "hits_per_kib": round(expected.hits), "candidates_per_kib": round(expected.candidates)})
}

fn signature(dear: &SignaturePrice, tiers: &[TierPrice]) -> Value {
    json!({
        "signature": dear.name, "channel": dear.channel, "tier": tiers.get(dear.tier).map(tier_name),
        "class": dear.class.name(), "candidates_per_mib": round(dear.candidates_per_mib), "window": hex(&dear.window),
    })
}

/// A tier by the bytes of its windows and the bytes between them.
fn tier_name(tier: &TierPrice) -> String {
    format!("{}/{}{}", tier.width, tier.stride, if tier.folded { " folded" } else { "" })
}

/// Prints the prices as tables.
pub(crate) fn print(prices: &Prices) {
    if prices.tiers.is_empty() {
        return;
    }
    say!();
    say!("tiers: bytes of a window / bytes from one to the next");
    let columns =
        ["<tier", ">signatures", ">windows", ">filter", ">buckets", ">largest bucket", ">crowded", ">false passes"];
    print_table(
        &columns,
        prices.tiers.iter().map(|tier| {
            vec![
                tier_name(tier),
                tier.signatures.to_string(),
                tier.windows.to_string(),
                size(tier.filter_bytes),
                size(tier.bucket_bytes),
                tier.largest_bucket.to_string(),
                tier.crowded.to_string(),
                format!("{:.4} %", 100.0 * tier.false_passes),
            ]
        }),
    );
    say!();
    say!("expected of each KiB scanned");
    print_table(
        &["<class", ">hits", ">candidates"],
        prices.by_class().map(|(class, expected)| {
            vec![class.name().to_owned(), format!("{:.4}", expected.hits), format!("{:.4}", expected.candidates)]
        }),
    );
    if prices.dearest.is_empty() {
        return;
    }
    say!();
    say!("the dearest signatures, by candidates for each MiB of the class where they bring most");
    print_table(
        &[">candidates", "<class", "<tier", "<window", "<signature"],
        prices.dearest.iter().map(|dear| {
            let tier = prices.tiers.get(dear.tier).map(tier_name).unwrap_or_default();
            let candidates = format!("{:.4}", dear.candidates_per_mib);
            vec![
                candidates,
                dear.class.name().to_owned(),
                tier,
                hex(&dear.window),
                format!("{} ({})", dear.name, dear.channel),
            ]
        }),
    );
}

/// Prints `rows` below `columns`, each named after the side it is aligned to.
fn print_table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let head = columns.iter().map(|column| column[1..].to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for line in &lines {
        let cells = line.iter().zip(columns.iter().zip(&widths)).map(|(cell, (column, &width))| {
            if column.starts_with('>') { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        say!("  {}", cells.collect::<Vec<String>>().join("  ").trim_end());
    }
}

/// To a ten-thousandth: an estimate has no more digits.
fn round(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}
