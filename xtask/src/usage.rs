//! What a process has taken so far, as the kernel tells it.

use std::fs;

use anyhow::{Context, Result};

/// The memory it has resident now, in MiB.
pub(crate) fn resident(process: u32) -> Result<u64> {
    memory(process, "VmRSS:")
}

/// The most memory it ever had resident, in MiB.
pub(crate) fn peak(process: u32) -> Result<u64> {
    memory(process, "VmHWM:")
}

fn memory(process: u32, field: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024)
}

/// The seconds of processor time it has taken.
pub(crate) fn processor(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // utime and stime are the 14th and 15th fields, the 12th and 13th after the name, in hundredths of a second.
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(f64::from(u32::try_from(ticks)?) / 100.0)
}
