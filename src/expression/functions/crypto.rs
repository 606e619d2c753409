//! Hashes, passwords and identifiers.

use bcrypt::Version;
use md5::Md5;
use retrue_provider_api::{Type, Value};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use uuid::Uuid;

use super::encoding::{from_base64, to_base64};
use super::filesystem::read;
use super::rsa;
use super::specification::{Call, Function, FunctionError, Outcome, Parameter, Returns, Shape};

const TEXT: Returns = Returns::Fixed(Shape::String);
const STR: Parameter = Parameter::text("str");
const PATH: Parameter = Parameter::text("path");

/// The cost of `bcrypt` when none is given, or one that is too low.
const DEFAULT_COST: u32 = 10;
/// Each step doubles the time; this many take about a minute.
const MAXIMUM_COST: u32 = 20;
/// What bcrypt can tell apart.
const LONGEST_PASSWORD: usize = 72;

macro_rules! hash {
    ($name:literal, $digest:ty, $encode:expr) => {
        Function::new($name, &[STR], TEXT, |call| Ok($encode(&<$digest>::digest(call.text(0)?.as_bytes())).into()))
    };
}

macro_rules! file_hash {
    ($name:literal, $digest:ty, $encode:expr) => {
        Function::new($name, &[PATH], TEXT, |call| Ok($encode(&<$digest>::digest(read(call)?)).into()))
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    hash!("md5", Md5, hexadecimal),
    hash!("sha1", Sha1, hexadecimal),
    hash!("sha256", Sha256, hexadecimal),
    hash!("sha512", Sha512, hexadecimal),
    hash!("base64sha256", Sha256, base64_of),
    hash!("base64sha512", Sha512, base64_of),
    file_hash!("filemd5", Md5, hexadecimal),
    file_hash!("filesha1", Sha1, hexadecimal),
    file_hash!("filesha256", Sha256, hexadecimal),
    file_hash!("filesha512", Sha512, hexadecimal),
    file_hash!("filebase64sha256", Sha256, base64_of),
    file_hash!("filebase64sha512", Sha512, base64_of),
    Function::new("bcrypt", &[STR], TEXT, bcrypt_hash).variadic(Parameter::number("cost")),
    Function::new("rsadecrypt", &[Parameter::text("ciphertext"), Parameter::text("privatekey")], TEXT, |call| {
        let bytes = from_base64(call.text(0)?).map_err(|message| FunctionError::at(0, message))?;
        let key = rsa::private_key(call.text(1)?).map_err(|message| FunctionError::at(1, message))?;
        rsa::decrypt(&key, &bytes).map(Value::from).map_err(|message| FunctionError::at(0, message))
    }),
    Function::new("uuid", &[], TEXT, |call| {
        if call.host.planning() {
            return Ok(Value::unknown(Type::String));
        }
        Ok(Uuid::from_bytes(random(call)?).to_string().into())
    }),
    Function::new("uuidv5", &[Parameter::text("namespace"), Parameter::text("name")], TEXT, |call| {
        let namespace = match call.text(0)? {
            "dns" => Uuid::NAMESPACE_DNS,
            "url" => Uuid::NAMESPACE_URL,
            "oid" => Uuid::NAMESPACE_OID,
            "x500" => Uuid::NAMESPACE_X500,
            other => Uuid::try_parse(other).map_err(|_| {
                FunctionError::at(0, format!("`{other}` is no namespace: `dns`, `url`, `oid`, `x500` or a UUID"))
            })?,
        };
        Ok(Uuid::new_v5(&namespace, call.text(1)?.as_bytes()).to_string().into())
    }),
];

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base64_of(bytes: &[u8]) -> String {
    to_base64(bytes)
}

fn random(call: &Call<'_>) -> Result<[u8; 16], FunctionError> {
    call.host.random().map_err(|error| FunctionError::new(format!("there are no random bytes to be had: {error}")))
}

fn bcrypt_hash(call: &Call<'_>) -> Outcome {
    let password = call.text(0)?;
    if call.arguments.len() > 2 {
        return Err(FunctionError::at(2, format!("`bcrypt` takes one or two arguments, got {}", call.arguments.len())));
    }
    let cost = match call.arguments.len() {
        2 => call.integer(1)?,
        _ => i64::from(DEFAULT_COST),
    };
    let cost = match u32::try_from(cost) {
        Ok(cost) if cost > MAXIMUM_COST => {
            return Err(FunctionError::at(1, format!("the cost must be {MAXIMUM_COST} or less")));
        }
        Ok(cost) if cost >= 4 => cost,
        _ if cost > i64::from(MAXIMUM_COST) => {
            return Err(FunctionError::at(1, format!("the cost must be {MAXIMUM_COST} or less")));
        }
        _ => DEFAULT_COST,
    };
    if password.len() > LONGEST_PASSWORD {
        return Err(FunctionError::at(0, format!("the text must not be longer than {LONGEST_PASSWORD} bytes")));
    }
    if call.host.planning() {
        return Ok(call.unknown());
    }
    // The classic form of the name is what Terraform, and most readers, have.
    bcrypt::hash_with_salt(password, cost, random(call)?)
        .map(|parts| parts.format_for_version(Version::TwoA).into())
        .map_err(|error| FunctionError::new(format!("hashing failed: {error}")))
}
