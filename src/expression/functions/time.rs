//! Functions on time.

mod moment;

use retrue_provider_api::{Type, Value};

pub(super) use moment::Moment;
use moment::parse_duration;

use super::specification::{Call, Function, FunctionError, Parameter, Returns, Shape};

const TEXT: Returns = Returns::Fixed(Shape::String);

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("formatdate", &[Parameter::text("format"), Parameter::text("time")], TEXT, |call| {
        let moment = moment(call, 1)?;
        format(call.text(0)?, &moment).map(Value::from).map_err(|message| FunctionError::at(0, message))
    }),
    Function::new("timeadd", &[Parameter::text("timestamp"), Parameter::text("duration")], TEXT, |call| {
        let moment = moment(call, 0)?;
        let duration = parse_duration(call.text(1)?).map_err(|message| FunctionError::at(1, message))?;
        Ok(moment.plus(duration).to_string().into())
    }),
    Function::new(
        "timecmp",
        &[Parameter::text("timestamp_a"), Parameter::text("timestamp_b")],
        Returns::Fixed(Shape::Number),
        |call| {
            let order = moment(call, 0)?.instant().cmp(&moment(call, 1)?.instant());
            Ok(Value::from(order as i64))
        },
    ),
    Function::new("timestamp", &[], TEXT, |call| {
        Ok(if call.host.planning() {
            Value::unknown(Type::String)
        } else {
            Moment::at(call.host.now()).to_string().into()
        })
    }),
    Function::new("plantimestamp", &[], TEXT, |call| {
        Ok(call.host.plan_timestamp().map_or_else(|| call.unknown(), Value::from))
    }),
];

fn moment(call: &Call<'_>, position: usize) -> Result<Moment, FunctionError> {
    let text = call.text(position)?;
    Moment::parse(text).map_err(|what| {
        FunctionError::at(position, format!("`{text}` is not a time as RFC 3339 has it: the {what} is wrong"))
    })
}

/// Writes a time as a format says: letters are verbs, what stands in `'…'` is written as it is.
fn format(format: &str, moment: &Moment) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('\'') {
            rest = literal(quoted, &mut out)?;
        } else if first.is_ascii_alphabetic() {
            let verb = rest.find(|character| character != first).map_or(rest, |end| rest.get(..end).unwrap_or(rest));
            out.push_str(&write(verb, first, moment)?);
            rest = rest.get(verb.len()..).unwrap_or_default();
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    Ok(out)
}

/// Copies up to the closing quote; two quotes in a row are one.
fn literal<'f>(quoted: &'f str, out: &mut String) -> Result<&'f str, String> {
    if let Some(rest) = quoted.strip_prefix('\'') {
        out.push('\'');
        return Ok(rest);
    }
    let mut rest = quoted;
    loop {
        let (part, behind) = rest.split_once('\'').ok_or("a quote is not closed")?;
        out.push_str(part);
        match behind.strip_prefix('\'') {
            Some(behind) => {
                out.push('\'');
                rest = behind;
            }
            None => return Ok(behind),
        }
    }
}

fn write(verb: &str, letter: char, moment: &Moment) -> Result<String, String> {
    let name = |names: &[&str], position: i64| {
        usize::try_from(position).ok().and_then(|position| names.get(position)).copied().unwrap_or_default().to_owned()
    };
    let short = |name: String| name.chars().take(3).collect::<String>();
    let plain = |number: i64| Ok(number.to_string());
    let padded = |number: i64| Ok(format!("{number:02}"));
    let half_day = if moment.hour % 12 == 0 { 12 } else { moment.hour % 12 };
    match (letter, verb.len()) {
        ('Y', 2) => padded(moment.year.rem_euclid(100)),
        ('Y', 4) => Ok(format!("{:04}", moment.year)),
        ('M', 1) => plain(moment.month),
        ('M', 2) => padded(moment.month),
        ('M', 3) => Ok(short(name(&MONTHS, moment.month - 1))),
        ('M', 4) => Ok(name(&MONTHS, moment.month - 1)),
        ('D', 1) => plain(moment.day),
        ('D', 2) => padded(moment.day),
        ('E', 3) => Ok(short(name(&DAYS, moment.weekday()))),
        ('E', 4) => Ok(name(&DAYS, moment.weekday())),
        ('h', 1) => plain(moment.hour),
        ('h', 2) => padded(moment.hour),
        ('H', 1) => plain(half_day),
        ('H', 2) => padded(half_day),
        ('A', 2) => Ok(if moment.hour < 12 { "AM" } else { "PM" }.to_owned()),
        ('a', 2) => Ok(if moment.hour < 12 { "am" } else { "pm" }.to_owned()),
        ('m', 1) => plain(moment.minute),
        ('m', 2) => padded(moment.minute),
        ('s', 1) => plain(moment.second),
        ('s', 2) => padded(moment.second),
        ('Z', 1) => Ok(moment.zone()),
        ('Z', 3) if moment.offset == 0 => Ok("UTC".to_owned()),
        ('Z', 3 | 4) => Ok(moment.numeric_zone("")),
        ('Z', 5) => Ok(moment.numeric_zone(":")),
        _ => Err(format!("`{verb}` is not a known verb; letters that are meant as they are stand in single quotes")),
    }
}
