//! What a database costs to scan with, as text and as JSON.

use crate::output::hex;
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
        "largest_bucket": tier.largest_bucket, "false_passes": round(tier.false_passes),
        "expected": classes.map(|(class, of_class)| expected(class.name(), of_class)).collect::<Vec<Value>>(),
    })
}

fn expected(class: &str, expected: Expected) -> Value {
    json!({"class": class, "hits_per_kib": round(expected.hits), "candidates_per_kib": round(expected.candidates)})
}

fn signature(dear: &SignaturePrice, tiers: &[TierPrice]) -> Value {
    let tier = tiers
        .get(dear.tier)
        .map(|tier| format!("{}/{}{}", tier.width, tier.stride, if tier.folded { " folded" } else { "" }));
    json!({
        "signature": dear.name, "channel": dear.channel, "tier": tier, "class": dear.class.name(),
        "candidates_per_mib": round(dear.candidates_per_mib), "window": hex(&dear.window),
    })
}

/// To a ten-thousandth: an estimate has no more digits.
fn round(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}
