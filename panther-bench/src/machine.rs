//! The description of the machine and the versions behind results.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use panther_bench::record::Machine;
use panther_gpu::GpuError;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::device::BenchDevice;

/// The versions that the workspace is built with.
const LOCKED: &str = include_str!("../../Cargo.lock");

/// Describes the processor with its threads, or the GPU.
///
/// # Errors
/// If a GPU does not respond.
pub fn describe(device: &BenchDevice, threads: usize) -> Result<Machine, GpuError> {
    let mut versions = vec![format!("panther {}", env!("CARGO_PKG_VERSION")), locked("faer")];
    let (device, name, memory) = match device {
        BenchDevice::Cpu(_) => {
            let (name, memory) = host();
            ("cpu".to_owned(), name, memory)
        }
        BenchDevice::Cuda(gpu) => {
            let (major, minor) = gpu.cuda_version()?;
            versions.extend([locked("cudarc"), format!("CUDA {major}.{minor}")]);
            (short_name(gpu.name()), gpu.name().to_owned(), gpu.memory()?.1 as u64)
        }
    };
    versions.push(env!("PANTHER_COMPILER").to_owned());
    let date = TimeZone::UTC.to_datetime(Timestamp::now()).date().to_string();
    Ok(Machine { device, name, threads, memory, date, versions })
}

/// Whether results of both may share a file: all but day and memory are equal.
pub fn same(one: &Machine, other: &Machine) -> bool {
    let told =
        |machine: &Machine| (machine.device.clone(), machine.name.clone(), machine.threads, machine.versions.clone());
    told(one) == told(other)
}

/// The first and the last day of results that were taken on `days` when one more is taken `today`.
pub fn days(days: &str, today: &str) -> String {
    let first = days.split(" to ").next().unwrap_or(days);
    if first == today { first.to_owned() } else { format!("{first} to {today}") }
}

/// The processor's name and the bytes of memory.
fn host() -> (String, u64) {
    let wanted =
        RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()).with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(wanted);
    let name = system.cpus().first().map(|cpu| cpu.brand().trim()).filter(|name| !name.is_empty());
    (name.unwrap_or("unknown processor").to_owned(), system.total_memory())
}

/// A GPU's name as in file names: `h200`.
fn short_name(name: &str) -> String {
    let name = name.to_lowercase();
    let known = ["h100", "h200"].into_iter().find(|known| name.contains(known));
    let slug = || name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>();
    known.map_or_else(|| slug().join("-"), str::to_owned)
}

/// Name and version of a library, as `faer 0.24.4`.
fn locked(library: &str) -> String {
    let start = format!("name = \"{library}\"\nversion = \"");
    let version = LOCKED.split_once(&start).and_then(|(_, rest)| rest.split('"').next());
    format!("{library} {}", version.unwrap_or("of unknown version"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::parallelism;

    #[test]
    fn the_processor_is_described() {
        let machine = describe(&BenchDevice::Cpu(parallelism(1)), 1).unwrap();
        assert_eq!((machine.device.as_str(), machine.threads), ("cpu", 1));
        assert!(!machine.name.is_empty() && machine.memory > 0);
        assert!(machine.date.len() == 10 && machine.date.starts_with("20"), "{}", machine.date);
        for (version, library) in machine.versions.iter().zip(["panther 0.", "faer 0.", "rustc 1."]) {
            assert!(version.starts_with(library), "{version}");
        }
    }

    #[test]
    fn the_day_does_not_make_another_machine() {
        let machine = describe(&BenchDevice::Cpu(parallelism(1)), 1).unwrap();
        assert!(same(&machine, &Machine { date: "2000-01-01".into(), ..machine.clone() }));
        assert!(!same(&machine, &Machine { threads: 2, ..machine.clone() }));
    }

    #[test]
    fn gpus_have_short_names() {
        assert_eq!(short_name("NVIDIA H100 80GB HBM3"), "h100");
        assert_eq!(short_name("NVIDIA H200"), "h200");
        assert_eq!(short_name("NVIDIA GeForce RTX 4090"), "nvidia-geforce-rtx-4090");
    }
}
