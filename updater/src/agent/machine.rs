//! What this machine is, for the service's choice of a variant. Each question costs one small read; what cannot be told is left out.

/// Main memory in bytes; `None` where the system does not say.
pub(crate) fn memory_bytes() -> Option<u64> {
    memory_of(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn memory_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Features of the processor that the scanner could use, by the names that the compiler gives them.
#[cfg(target_arch = "x86_64")]
pub(crate) fn features() -> Vec<String> {
    let known = [
        ("sse4.2", std::arch::is_x86_feature_detected!("sse4.2")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("avx512bw", std::arch::is_x86_feature_detected!("avx512bw")),
    ];
    known.into_iter().filter(|(_, has)| *has).map(|(name, _)| name.to_owned()).collect()
}

/// Features of the processor that the scanner could use, by the names that the compiler gives them.
#[cfg(target_arch = "aarch64")]
pub(crate) fn features() -> Vec<String> {
    // Every processor of this architecture has it.
    vec!["neon".to_owned()]
}

/// Features of the processor that the scanner could use: none are known of.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn features() -> Vec<String> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_whole_memory_is_read() {
        assert_eq!(memory_of("MemFree: 1 kB\nMemTotal:       16384 kB\nMemAvailable: 2 kB\n"), Some(16 << 20));
        for odd in ["", "MemTotal:", "MemTotal: x kB", "MemTotal: 5", "MemTotal: 18446744073709551615 kB"] {
            assert_eq!(memory_of(odd), None, "{odd}");
        }
    }
}
