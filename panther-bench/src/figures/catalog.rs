//! All figures and observations of a set of results.

use super::error::FigureError;
use super::figure::{DEVICES, Figure, Observation};
use super::{attention, conv, convert, cqrrpt, linear, pivots, roofline, rsvd, sketch};
use crate::record::Record;

/// What a family of figures makes of records and a device.
type Of<T> = fn(&[Record], &str) -> Vec<T>;

/// All figures of the page in its order, those without results too, and those of other devices that there are results of.
///
/// # Errors
/// [`FigureError::TwoMachines`].
pub fn figures(records: &[Record]) -> Result<Vec<Figure>, FigureError> {
    one_machine(records)?;
    let families: [Of<Figure>; 9] = [
        linear::figures,
        attention::figures,
        conv::figures,
        rsvd::figures,
        cqrrpt::figures,
        convert::figures,
        sketch::figures,
        pivots::figures,
        roofline::figures,
    ];
    let devices = devices(records);
    let all = families.iter().flat_map(|family| devices.iter().flat_map(|device| family(records, device)));
    Ok(all.filter(|figure| DEVICES.contains(&figure.device.as_str()) || figure.is_measured()).collect())
}

/// Who is faster than whom on the whole, over all figures of a kind.
///
/// # Errors
/// [`FigureError::TwoMachines`].
pub fn observations(records: &[Record]) -> Result<Vec<Observation>, FigureError> {
    one_machine(records)?;
    let families: [Of<Observation>; 5] =
        [linear::observations, attention::observations, conv::observations, rsvd::observations, cqrrpt::observations];
    let devices = devices(records);
    let all = families.iter().flat_map(|family| devices.iter().flat_map(|device| family(records, device)));
    Ok(all.filter(|observation| !observation.summaries.is_empty()).collect())
}

/// What observations alone would hide, a sentence or two for a device.
///
/// # Errors
/// [`FigureError::TwoMachines`].
pub fn remarks(records: &[Record]) -> Result<Vec<(String, String)>, FigureError> {
    one_machine(records)?;
    let of = |device: &str| (device.to_owned(), attention::remark(records, device));
    Ok(devices(records).into_iter().map(of).filter(|(_, remark)| !remark.is_empty()).collect())
}

/// Those of the page, and others that there are results of.
fn devices(records: &[Record]) -> Vec<&str> {
    let mut devices = DEVICES.to_vec();
    for record in records {
        if !devices.contains(&record.machine.device.as_str()) {
            devices.push(&record.machine.device);
        }
    }
    devices
}

/// Times of two machines say nothing about methods, so no figure holds both.
fn one_machine(records: &[Record]) -> Result<(), FigureError> {
    let machine = |record: &Record| match record.machine.device.as_str() {
        "cpu" => format!("{} with {} threads", record.machine.name, record.machine.threads),
        _ => record.machine.name.clone(),
    };
    for (i, second) in records.iter().enumerate() {
        let same = |first: &&Record| first.suite == second.suite && first.machine.device == second.machine.device;
        if let Some(first) = records[..i].iter().find(same)
            && machine(first) != machine(second)
        {
            return Err(FigureError::TwoMachines {
                suite: second.suite.clone(),
                device: second.machine.device.clone(),
                first: machine(first),
                second: machine(second),
            });
        }
    }
    Ok(())
}
