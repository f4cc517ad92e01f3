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

/// What the processors of this machine have done so far, in seconds of all of them together.
#[derive(Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) busy: f64,
    pub(crate) idle: f64,
    /// Idle, while something waits for a disk.
    pub(crate) waiting: f64,
}

impl Machine {
    pub(crate) fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let first = stat.lines().next().context("an empty /proc/stat")?;
        let ticks: Vec<u64> = first.split_whitespace().filter_map(|field| field.parse().ok()).collect();
        let [user, nice, system, idle, waiting, hard, soft, stolen, ..] = ticks.as_slice() else {
            anyhow::bail!("/proc/stat begins with {first:?}, expected eight numbers");
        };
        // In hundredths of a second.
        let seconds = |ticks: &[&u64]| ticks.iter().copied().sum::<u64>() as f64 / 100.0;
        let busy = seconds(&[user, nice, system, hard, soft, stolen]);
        Ok(Self { busy, idle: seconds(&[idle]), waiting: seconds(&[waiting]) })
    }

    pub(crate) fn since(self, before: Self) -> Self {
        let (busy, idle) = (self.busy - before.busy, self.idle - before.idle);
        Self { busy, idle, waiting: self.waiting - before.waiting }
    }

    /// In words: how much of the machine was taken, by whomever.
    pub(crate) fn shown(self) -> String {
        let share = |part: f64| 100.0 * part / (self.busy + self.idle + self.waiting);
        format!(
            "the machine was {:.0} % busy, {:.0} % waiting for the disk, {:.0} % idle",
            share(self.busy),
            share(self.waiting),
            share(self.idle)
        )
    }
}
