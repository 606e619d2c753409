//! The file that node-exporter's textfile collector reads.
//!
//! A process knows only what happened in it, and what is counted shall only grow: so what is new is added to what the
//! file has, under a lock, and the file is replaced as a whole. Stacks can share a file; each adds to its own series.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::TryLockError;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::metric::{Kind, Metric, TABLE};

/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the file was not written.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be read, or not be replaced.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is somebody else's.
    #[error("{}: line {line} is not from retrue, so the file was left alone", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// Another process holds it.
    #[error("{}: another process has been writing it for {} s", .0.display(), PATIENCE.as_secs())]
    Busy(PathBuf),
}

/// What the series of a stack have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// The environment.
    pub environment: String,
    /// The name of the stack.
    pub stack: String,
}

impl Labels {
    /// What all of its series begin with.
    fn prefix(&self) -> String {
        format!("environment=\"{}\",stack=\"{}\"", escaped(&self.environment), escaped(&self.stack))
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Adds what is new, as text of Prometheus, to a file.
pub(super) fn update(path: &Path, labels: &Labels, new: &str) -> Result<(), FileError> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let _lock = lock(&directory.join(format!(".{name}.lock")), path)?;
    let old = match fs_err::read_to_string(path) {
        Ok(text) => Samples::read(&text).map_err(|line| FileError::Foreign { path: path.to_owned(), line })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Samples::default(),
        Err(error) => return Err(error.into()),
    };
    let new = Samples::read(new).unwrap_or_default();
    let text = old.with(&new, &labels.prefix()).text();
    let mut file = tempfile::Builder::new().prefix(&format!(".{name}.")).tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    // Whoever collects it is somebody else; there are no secrets in it.
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.as_file().sync_data()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn lock(beside: &Path, path: &Path) -> Result<fs_err::File, FileError> {
    let file = fs_err::OpenOptions::new().create(true).truncate(false).write(true).open(beside)?;
    let began = Instant::now();
    loop {
        match file.file().try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => return Err(FileError::Busy(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
}

/// A series: its place in the table, its labels as they are written, what of a histogram it is, and up to which bound.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    metric: usize,
    labels: String,
    part: Part,
    /// The bits of the bound: those of positive floats are in their order.
    bound: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Value,
    Bucket,
    Sum,
    Count,
}

/// What a text of Prometheus says.
#[derive(Debug, Default)]
struct Samples(BTreeMap<Series, f64>);

impl Samples {
    /// Reads a text that was written here. An error is the number of the first line that was not.
    fn read(text: &str) -> Result<Samples, usize> {
        let mut samples = Samples::default();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, labels, value) = split(line).ok_or(index + 1)?;
            if !name.starts_with("retrue_") {
                return Err(index + 1);
            }
            // Another version may know others.
            let Some((metric, part)) = find(name) else { continue };
            let value: f64 = value.parse().map_err(|_| index + 1)?;
            let (labels, bound) = without_bound(labels);
            samples.0.insert(Series { metric, labels, part, bound: bound.to_bits() }, value);
        }
        Ok(samples)
    }

    /// These, and what is new of the stack whose series have these labels.
    fn with(mut self, new: &Samples, prefix: &str) -> Samples {
        let ours = |series: &Series| series.labels == prefix || series.labels.starts_with(&format!("{prefix},"));
        // Bounds that are no longer those of the table would make nonsense of the sums.
        let changed: BTreeSet<usize> = self
            .0
            .keys()
            .filter(|series| ours(series) && series.part == Part::Bucket && !has_bound(series))
            .map(|series| series.metric)
            .collect();
        self.0.retain(|series, _| {
            let gone = kind(series) == Some(Kind::OfLastRun) || changed.contains(&series.metric);
            !(ours(series) && gone)
        });
        for (series, value) in &new.0 {
            let separator = if series.labels.is_empty() { "" } else { "," };
            let series = Series { labels: format!("{prefix}{separator}{}", series.labels), ..series.clone() };
            let adds = matches!(kind(&series), Some(Kind::Counter | Kind::Histogram(_)));
            let entry = self.0.entry(series).or_default();
            *entry = if adds { *entry + value } else { *value };
        }
        self
    }

    /// As text of Prometheus, always in the same order.
    fn text(&self) -> String {
        let mut text = String::new();
        let mut last = None;
        for (Series { metric: index, labels, part, bound }, value) in &self.0 {
            let Some(metric) = TABLE.get(*index) else { continue };
            let family = metric.family();
            if last != Some(*index) {
                last = Some(*index);
                let kind = match metric.kind {
                    Kind::Counter => "counter",
                    Kind::Histogram(_) => "histogram",
                    Kind::Gauge | Kind::OfLastRun => "gauge",
                };
                // Writing into a string does not fail.
                let _ = writeln!(text, "# HELP {family} {}.\n# TYPE {family} {kind}", metric.help);
            }
            let suffix = match part {
                Part::Value => "",
                Part::Bucket => "_bucket",
                Part::Sum => "_sum",
                Part::Count => "_count",
            };
            let bound = match (part, f64::from_bits(*bound)) {
                (Part::Bucket, f64::INFINITY) => ",le=\"+Inf\"".to_owned(),
                (Part::Bucket, bound) => format!(",le=\"{bound}\""),
                _ => String::new(),
            };
            let _ = writeln!(text, "{family}{suffix}{{{labels}{bound}}} {value}");
        }
        text
    }
}

fn kind(series: &Series) -> Option<Kind> {
    TABLE.get(series.metric).map(|metric| metric.kind)
}

fn has_bound(series: &Series) -> bool {
    let bound = f64::from_bits(series.bound);
    match kind(series) {
        Some(Kind::Histogram(bounds)) => bound == f64::INFINITY || bounds.contains(&bound),
        _ => true,
    }
}

/// The name, the labels as they are written, and the value.
fn split(line: &str) -> Option<(&str, &str, &str)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let Some(rest) = rest.strip_prefix('{') else { return Some((name, "", rest.trim())) };
    let (mut quoted, mut escaped) = (false, false);
    for (index, character) in rest.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => {
                let (labels, value) = rest.split_at(index);
                return Some((name, labels, value.trim_start_matches('}').trim()));
            }
            _ => {}
        }
    }
    None
}

/// Which of the table a name is, and which part of it.
fn find(name: &str) -> Option<(usize, Part)> {
    TABLE.iter().enumerate().find_map(|(index, metric): (usize, &Metric)| {
        let rest = name.strip_prefix(metric.name)?;
        let part = match (metric.kind, rest) {
            (Kind::Counter, "_total") | (Kind::Gauge | Kind::OfLastRun, "") => Part::Value,
            (Kind::Histogram(_), "_bucket") => Part::Bucket,
            (Kind::Histogram(_), "_sum") => Part::Sum,
            (Kind::Histogram(_), "_count") => Part::Count,
            _ => return None,
        };
        Some((index, part))
    })
}

/// Takes the bound of a bucket out of labels: it is always the last.
fn without_bound(labels: &str) -> (String, f64) {
    let at = if labels.starts_with("le=\"") { Some(0) } else { labels.rfind(",le=\"") };
    let Some(at) = at else { return (labels.to_owned(), 0.0) };
    let (before, bound) = labels.split_at(at);
    let bound = bound.trim_start_matches(',').trim_start_matches("le=").trim_matches('"');
    match bound.parse() {
        Ok(bound) => (before.to_owned(), bound),
        Err(_) => (labels.to_owned(), 0.0),
    }
}

#[cfg(test)]
mod tests;
