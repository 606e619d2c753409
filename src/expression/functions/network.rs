//! Functions on address ranges, IPv4 and IPv6.

use std::net::{Ipv4Addr, Ipv6Addr};

use retrue_provider_api::{Number, Type, Value};

use super::specification::{Call, Function, FunctionError, Outcome, Parameter, Returns, Shape};

const TEXT: Returns = Returns::Fixed(Shape::String);
const PREFIX: Parameter = Parameter::text("prefix");

/// By how many bits `cidrsubnets` extends a prefix at most, as in Terraform.
const MAXIMUM_NEW_BITS: u32 = 32;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("cidrhost", &[PREFIX, Parameter::number("hostnum")], TEXT, |call| {
        let range = range(call)?;
        range.host(call.number(1)?).map(Value::from).map_err(|message| FunctionError::at(1, message))
    }),
    Function::new("cidrnetmask", &[PREFIX], TEXT, |call| {
        let range = range(call)?;
        if range.width == 128 {
            return Err(FunctionError::at(0, "IPv6 has no netmasks"));
        }
        Ok(range.text(range.mask()).into())
    }),
    Function::new("cidrsubnet", &[PREFIX, Parameter::number("newbits"), Parameter::number("netnum")], TEXT, |call| {
        let range = range(call)?;
        let bits = new_bits(call, 1, 0)?;
        range
            .subnet(bits, call.number(2)?)
            .map(|subnet| subnet.to_string().into())
            .map_err(|message| FunctionError::at(2, message))
    }),
    Function::new("cidrsubnets", &[PREFIX], Returns::Fixed(Shape::List(&Shape::String)), subnets)
        .variadic(Parameter::number("newbits")),
];

/// A range of addresses: all that have the first `length` bits of `address`.
#[derive(Clone, Copy)]
struct Range {
    address: u128,
    length: u32,
    /// Bits in an address: 32 or 128.
    width: u32,
}

fn range(call: &Call<'_>) -> Result<Range, FunctionError> {
    let text = call.text(0)?;
    Range::parse(text).ok_or_else(|| {
        FunctionError::at(0, format!("`{text}` is not a range of addresses like `10.0.0.0/8` or `fd00::/8`"))
    })
}

fn new_bits(call: &Call<'_>, position: usize, least: u32) -> Result<u32, FunctionError> {
    u32::try_from(call.integer(position)?)
        .ok()
        .filter(|bits| *bits >= least)
        .ok_or_else(|| FunctionError::at(position, format!("the prefix must be extended by {least} bits or more")))
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        if length.is_empty() || length.len() > 3 || !length.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let length: u32 = length.parse().ok()?;
        let (address, width) = if address.contains(':') {
            (u128::from(address.parse::<Ipv6Addr>().ok()?), 128)
        } else {
            (u128::from(four_bytes(address)?), 32)
        };
        if length > width {
            return None;
        }
        let range = Range { address, length, width };
        Some(Range { address: address & range.mask(), ..range })
    }

    /// The bits that vary.
    fn host_bits(&self) -> u32 {
        self.width - self.length
    }

    /// All addresses of the range, the network part left out.
    fn host_mask(&self) -> u128 {
        1u128.checked_shl(self.host_bits()).map_or(u128::MAX, |bit| bit - 1)
    }

    fn all(&self) -> u128 {
        if self.width == 128 { u128::MAX } else { u128::from(u32::MAX) }
    }

    fn mask(&self) -> u128 {
        self.all() & !self.host_mask()
    }

    fn last(&self) -> u128 {
        self.address | self.host_mask()
    }

    fn text(&self, address: u128) -> String {
        match u32::try_from(address) {
            Ok(address) if self.width == 32 => Ipv4Addr::from(address).to_string(),
            _ => {
                let address = Ipv6Addr::from(address);
                // As Go writes it: an IPv4 address in IPv6 is an IPv4 address.
                address.to_ipv4_mapped().map_or_else(|| address.to_string(), |mapped| mapped.to_string())
            }
        }
    }

    /// The address with a number in the range, counted from the end when negative.
    fn host(&self, number: &Number) -> Result<String, String> {
        let outside = || format!("the range has {} bits for hosts, which is too few for {number}", self.host_bits());
        let count = magnitude(number).ok_or_else(|| format!("{number} is not a whole number of an address"))?;
        let host = if number.is_negative() {
            // -1 is the last one.
            self.host_mask().checked_sub(count - 1).ok_or_else(outside)?
        } else {
            Some(count).filter(|count| *count <= self.host_mask()).ok_or_else(outside)?
        };
        Ok(self.text(self.address | host))
    }

    fn subnet(&self, bits: u32, number: &Number) -> Result<Range, String> {
        let length = self.length.saturating_add(bits);
        if length > self.width {
            return Err(format!("a prefix of {} bits cannot be extended by {bits}", self.length));
        }
        let subnet = Range { length, ..*self };
        let count = magnitude(number)
            .filter(|_| !number.is_negative())
            .ok_or_else(|| format!("{number} is not a whole number of a subnet"))?;
        let most = 1u128.checked_shl(bits).map_or(u128::MAX, |bit| bit - 1);
        if count > most {
            return Err(format!("{bits} bits are too few for a subnet {number}"));
        }
        Ok(Range { address: self.address | count.checked_shl(subnet.host_bits()).unwrap_or(0), ..subnet })
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.text(self.address), self.length)
    }
}

/// An IPv4 address; zeros in front are allowed, and mean nothing, as they did of old.
fn four_bytes(text: &str) -> Option<u32> {
    let bytes: Vec<u8> = text
        .split('.')
        .map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
            digits.then(|| part.trim_start_matches('0')).and_then(|part| match part {
                "" => Some(0),
                part => part.parse().ok(),
            })
        })
        .collect::<Option<_>>()?;
    let bytes: [u8; 4] = bytes.try_into().ok()?;
    Some(u32::from_be_bytes(bytes))
}

/// A whole number without its sign, when it fits an address.
fn magnitude(number: &Number) -> Option<u128> {
    u128::try_from(number.abs().to_integer()?).ok()
}

/// Subnets of different sizes in a row, each at the next place where it fits.
fn subnets(call: &Call<'_>) -> Outcome {
    let range = range(call)?;
    let mut found = Vec::new();
    let mut next = Some(range.address);
    for position in 1..call.arguments.len() {
        let bits = new_bits(call, position, 1)?;
        if bits > MAXIMUM_NEW_BITS {
            return Err(FunctionError::at(position, format!("more than {MAXIMUM_NEW_BITS} bits at once")));
        }
        let length = range.length.saturating_add(bits);
        if length > range.width {
            return Err(FunctionError::at(
                position,
                format!("a prefix of {} bits cannot be extended by {bits}", range.length),
            ));
        }
        let subnet = Range { length, ..range };
        let full = || FunctionError::at(position, format!("there is no room left for a subnet of {length} bits"));
        // Up to the next address where a subnet of this size begins.
        let address = next
            .and_then(|next| next.checked_add(subnet.host_mask()))
            .map(|address| address & subnet.mask())
            .filter(|address| *address <= range.last())
            .ok_or_else(full)?;
        let subnet = Range { address, ..subnet };
        if subnet.last() > range.last() {
            return Err(full());
        }
        next = subnet.last().checked_add(1);
        found.push(Value::from(subnet.to_string()));
    }
    Ok(Value::list(Type::String, found))
}
