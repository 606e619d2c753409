//! Base64, URL encoding, gzip and character encodings.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::Crc;
use miniz_oxide::deflate::core::CompressorOxide;
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::{DataFormat, MZFlush, MZStatus};
use retrue_provider_api::Value;

use super::codepages::Charset;
use super::specification::{Call, Function, FunctionError, Parameter, Returns, Shape};

const TEXT: Returns = Returns::Fixed(Shape::String);
const STR: Parameter = Parameter::text("str");
const ENCODING: Parameter = Parameter::text("encoding");

/// Padding is required, spare bits in the last character are ignored: as Go decodes.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("base64encode", &[STR], TEXT, |call| Ok(to_base64(call.text(0)?).into())),
    Function::new("base64decode", &[STR], TEXT, |call| {
        let bytes = from_base64(call.text(0)?).map_err(|message| FunctionError::at(0, message))?;
        String::from_utf8(bytes)
            .map(Value::from)
            .map_err(|_| FunctionError::at(0, "what this encodes is not valid UTF-8"))
    }),
    Function::new("base64gzip", &[STR], TEXT, |call| {
        gzip(call.text(0)?.as_bytes())
            .map(|bytes| to_base64(bytes).into())
            .map_err(|error| FunctionError::new(format!("compression failed: {error}")))
    }),
    Function::new("urlencode", &[STR], TEXT, |call| Ok(url_encode(call.text(0)?).into())),
    Function::new("textencodebase64", &[Parameter::text("string"), ENCODING], TEXT, |call| {
        charset(call)?
            .encode(call.text(0)?)
            .map(|bytes| to_base64(bytes).into())
            .map_err(|message| FunctionError::at(0, message))
    }),
    Function::new("textdecodebase64", &[Parameter::text("source"), ENCODING], TEXT, |call| {
        let charset = charset(call)?;
        let bytes = from_base64(call.text(0)?).map_err(|message| FunctionError::at(0, message))?;
        charset.decode(&bytes).map(Value::from).map_err(|message| FunctionError::at(0, message))
    }),
];

pub(super) fn to_base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64.encode(bytes)
}

/// Decodes; line breaks are skipped.
pub(super) fn from_base64(text: &str) -> Result<Vec<u8>, String> {
    let text: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    BASE64.decode(text).map_err(|error| format!("not valid Base64: {error}"))
}

fn charset(call: &Call<'_>) -> Result<Charset, FunctionError> {
    let name = call.text(1)?;
    Charset::named(name)
        .ok_or_else(|| FunctionError::at(1, format!("`{name}` is not the IANA name of an encoding that is supported")))
}

/// The form of a query string: what is not a letter, a digit or one of `-_.~` is escaped, space is `+`.
fn url_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// A gzip member with the frame that Terraform writes: no name, no time, a flush before the end.
///
/// Short texts come out byte for byte as Terraform's. On longer ones the compressors choose
/// differently, so the bytes may differ; what they decompress to does not.
fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    if bytes.is_empty() {
        out.extend([0, 0, 0, 0xff, 0xff]);
    } else {
        compress(bytes, &mut out)?;
    }
    // An empty stored block as the last one: that is how Go's writer ends.
    out.extend([1, 0, 0, 0xff, 0xff]);
    let mut crc = Crc::new();
    crc.update(bytes);
    out.extend(crc.sum().to_le_bytes());
    // The length is stored modulo 2^32.
    out.extend(crc.amount().to_le_bytes());
    Ok(out)
}

/// Compresses up to a flush. The compressor is named, and not the one that flate2 happens to be built with: plans hold
/// what comes out.
fn compress(mut bytes: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut compressor = CompressorOxide::default();
    compressor.set_format_and_level(DataFormat::Raw, 6);
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let done = deflate(&mut compressor, bytes, &mut buffer, MZFlush::Sync);
        match done.status {
            Ok(MZStatus::Ok | MZStatus::StreamEnd) => {}
            // Nothing is left to be written.
            Err(miniz_oxide::MZError::Buf) => return Ok(()),
            other => return Err(std::io::Error::other(format!("{other:?}"))),
        }
        out.extend_from_slice(buffer.get(..done.bytes_written).unwrap_or_default());
        bytes = bytes.get(done.bytes_consumed..).unwrap_or_default();
        if bytes.is_empty() && done.bytes_written < buffer.len() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn gzip_reads_back() {
        let long: String = (0..300).map(|line| format!("line {line} of some text\n")).collect();
        for text in ["", "hello", "é☃", long.as_str()] {
            let mut read = String::new();
            flate2::read::GzDecoder::new(gzip(text.as_bytes()).unwrap().as_slice()).read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        }
    }
}
