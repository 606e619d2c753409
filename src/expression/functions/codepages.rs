//! Character encodings by their IANA names.

use std::collections::HashMap;

use encoding_rs::{self as rs, Encoding};

/// A character encoding.
#[derive(Clone, Copy)]
pub(super) enum Charset {
    Utf8,
    /// Sixteen bits; whether the bytes begin with a mark of their order, and which one it is else.
    Utf16 {
        marked: bool,
        little: bool,
    },
    Ascii,
    Latin1,
    /// Latin-1 with the six Icelandic letters replaced by Turkish ones.
    Latin5,
    /// What the `encoding_rs` crate does as IANA has it.
    Web(&'static Encoding),
    /// The same, but the bytes that it maps to control characters mean nothing.
    WebWithoutControls(&'static Encoding),
    /// One byte per character: the first byte of the table, and the characters from there on.
    Table(u8, &'static str),
}

type Names = &'static [&'static str];

/// In IANA's order of names: the preferred one, then its aliases, all in lower case.
const CHARSETS: &[(Names, Charset)] = &[
    (&["utf-8", "csutf8"], Charset::Utf8),
    (&["utf-16", "csutf16"], Charset::Utf16 { marked: true, little: false }),
    (&["utf-16be", "csutf16be"], Charset::Utf16 { marked: false, little: false }),
    (&["utf-16le", "csutf16le"], Charset::Utf16 { marked: false, little: true }),
    (
        &[
            "us-ascii",
            "ascii",
            "iso-ir-6",
            "ansi_x3.4-1968",
            "ansi_x3.4-1986",
            "iso_646.irv:1991",
            "iso646-us",
            "us",
            "ibm367",
            "cp367",
            "csascii",
        ],
        Charset::Ascii,
    ),
    (
        &[
            "iso-8859-1",
            "iso_8859-1:1987",
            "iso-ir-100",
            "iso_8859-1",
            "latin1",
            "l1",
            "ibm819",
            "cp819",
            "csisolatin1",
        ],
        Charset::Latin1,
    ),
    (&["iso-8859-9", "iso_8859-9:1989", "iso-ir-148", "iso_8859-9", "latin5", "l5", "csisolatin5"], Charset::Latin5),
    (
        &["iso-8859-2", "iso_8859-2:1987", "iso-ir-101", "iso_8859-2", "latin2", "l2", "csisolatin2"],
        Charset::Web(rs::ISO_8859_2),
    ),
    (
        &["iso-8859-3", "iso_8859-3:1988", "iso-ir-109", "iso_8859-3", "latin3", "l3", "csisolatin3"],
        Charset::Web(rs::ISO_8859_3),
    ),
    (
        &["iso-8859-4", "iso_8859-4:1988", "iso-ir-110", "iso_8859-4", "latin4", "l4", "csisolatin4"],
        Charset::Web(rs::ISO_8859_4),
    ),
    (
        &["iso-8859-5", "iso_8859-5:1988", "iso-ir-144", "iso_8859-5", "cyrillic", "csisolatincyrillic"],
        Charset::Web(rs::ISO_8859_5),
    ),
    (
        &[
            "iso-8859-6",
            "iso_8859-6:1987",
            "iso-ir-127",
            "iso_8859-6",
            "ecma-114",
            "asmo-708",
            "arabic",
            "csisolatinarabic",
            "iso-8859-6-e",
            "iso-8859-6-i",
            "iso_8859-6-e",
            "iso_8859-6-i",
            "csiso88596e",
            "csiso88596i",
        ],
        Charset::Web(rs::ISO_8859_6),
    ),
    (
        &[
            "iso-8859-7",
            "iso_8859-7:1987",
            "iso-ir-126",
            "iso_8859-7",
            "elot_928",
            "ecma-118",
            "greek",
            "greek8",
            "csisolatingreek",
        ],
        Charset::Web(rs::ISO_8859_7),
    ),
    (
        &[
            "iso-8859-8",
            "iso_8859-8:1988",
            "iso-ir-138",
            "iso_8859-8",
            "hebrew",
            "csisolatinhebrew",
            "iso-8859-8-e",
            "iso-8859-8-i",
            "iso_8859-8-e",
            "iso_8859-8-i",
            "csiso88598e",
            "csiso88598i",
        ],
        Charset::Web(rs::ISO_8859_8),
    ),
    (&["iso-8859-10", "iso-ir-157", "l6", "iso_8859-10:1992", "csisolatin6", "latin6"], Charset::Web(rs::ISO_8859_10)),
    (&["iso-8859-13", "csiso885913"], Charset::Web(rs::ISO_8859_13)),
    (
        &["iso-8859-14", "iso-ir-199", "iso_8859-14:1998", "iso_8859-14", "latin8", "iso-celtic", "l8", "csiso885914"],
        Charset::Web(rs::ISO_8859_14),
    ),
    (&["iso-8859-15", "iso_8859-15", "latin-9", "csiso885915"], Charset::Web(rs::ISO_8859_15)),
    (
        &["iso-8859-16", "iso-ir-226", "iso_8859-16:2001", "iso_8859-16", "latin10", "l10", "csiso885916"],
        Charset::Web(rs::ISO_8859_16),
    ),
    (&["windows-874", "cswindows874"], Charset::WebWithoutControls(rs::WINDOWS_874)),
    (&["windows-1250", "cswindows1250"], Charset::WebWithoutControls(rs::WINDOWS_1250)),
    (&["windows-1251", "cswindows1251"], Charset::WebWithoutControls(rs::WINDOWS_1251)),
    (&["windows-1252", "cswindows1252"], Charset::WebWithoutControls(rs::WINDOWS_1252)),
    (&["windows-1253", "cswindows1253"], Charset::WebWithoutControls(rs::WINDOWS_1253)),
    (&["windows-1254", "cswindows1254"], Charset::WebWithoutControls(rs::WINDOWS_1254)),
    (&["windows-1255", "cswindows1255"], Charset::WebWithoutControls(rs::WINDOWS_1255)),
    (&["windows-1256", "cswindows1256"], Charset::WebWithoutControls(rs::WINDOWS_1256)),
    (&["windows-1257", "cswindows1257"], Charset::WebWithoutControls(rs::WINDOWS_1257)),
    (&["windows-1258", "cswindows1258"], Charset::WebWithoutControls(rs::WINDOWS_1258)),
    (&["koi8-r", "cskoi8r"], Charset::Web(rs::KOI8_R)),
    (&["koi8-u", "cskoi8u"], Charset::Web(rs::KOI8_U)),
    (&["macintosh", "mac", "csmacintosh"], Charset::Web(rs::MACINTOSH)),
    (&["ibm866", "cp866", "866", "csibm866"], Charset::Web(rs::IBM866)),
    (&["shift_jis", "ms_kanji", "csshiftjis"], Charset::Web(rs::SHIFT_JIS)),
    (&["euc-jp", "extended_unix_code_packed_format_for_japanese", "cseucpkdfmtjapanese"], Charset::Web(rs::EUC_JP)),
    (&["iso-2022-jp", "csiso2022jp"], Charset::Web(rs::ISO_2022_JP)),
    (&["euc-kr", "cseuckr"], Charset::Web(rs::EUC_KR)),
    (&["gbk", "cp936", "ms936", "windows-936", "csgbk"], Charset::Web(rs::GBK)),
    (&["gb18030", "csgb18030"], Charset::Web(rs::GB18030)),
    (&["big5", "csbig5"], Charset::Web(rs::BIG5)),
];

/// The code pages of old machines, each from the byte on that is not ASCII.
#[rustfmt::skip]
const CODE_PAGES: &[(Names, u8, &str)] = &[
    (&["ibm437", "cp437", "437", "cspc8codepage437"],
     128,
     concat!("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀", "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}")),
    (&["ibm850", "cp850", "850", "cspc850multilingual"],
     128,
     concat!("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀", "ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}")),
    (&["ibm852", "cp852", "852", "cspcp852"],
     128,
     concat!("ÇüéâäůćçłëŐőîŹÄĆÉĹĺôöĽľŚśÖÜŤťŁ×čáíóúĄąŽžĘę¬źČş«»░▒▓│┤ÁÂĚŞ╣║╗╝Żż┐└┴┬├─┼Ăă╚╔╩╦╠═╬¤đĐĎËďŇÍÎě┘┌█▄ŢŮ▀", "ÓßÔŃńňŠšŔÚŕŰýÝţ´\u{ad}˝˛ˇ˘§÷¸°¨˙űŘř■\u{a0}")),
    (&["ibm855", "cp855", "855", "csibm855"],
     128,
     concat!("ђЂѓЃёЁєЄѕЅіІїЇјЈљЉњЊћЋќЌўЎџЏюЮъЪаАбБцЦдДеЕфФгГ«»░▒▓│┤хХиИ╣║╗╝йЙ┐└┴┬├─┼кК╚╔╩╦╠═╬¤лЛмМнНоОп┘┌█▄Пя▀", "ЯрРсСтТуУжЖвВьЬ№\u{ad}ыЫзЗшШэЭщЩчЧ§■\u{a0}")),
    (&["ibm00858", "ccsid00858", "cp00858", "pc-multilingual-850+euro", "csibm00858"],
     128,
     concat!("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈ€ÍÎÏ┘┌█▄¦Ì▀", "ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}")),
    (&["ibm860", "cp860", "860", "csibm860"],
     128,
     concat!("ÇüéâãàÁçêÊèÍÔìÃÂÉÀÈôõòÚùÌÕÜ¢£Ù₧ÓáíóúñÑªº¿Ò¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀", "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}")),
    (&["ibm862", "cp862", "862", "cspc862latinhebrew"],
     128,
     concat!("אבגדהוזחטיךכלםמןנסעףפץצקרשת¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀", "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}")),
    (&["ibm863", "cp863", "863", "csibm863"],
     128,
     concat!("ÇüéâÂà¶çêëèïî‗À§ÉÈÊôËÏûù¤ÔÜ¢£ÙÛƒ¦´óú¨¸³¯Î⌐¬½¼¾«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀", "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}")),
    (&["ibm865", "cp865", "865", "csibm865"],
     128,
     concat!("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø₧ƒáíóúñÑªº¿⌐¬½¼¡«¤░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀", "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}")),
    (&["ibm037", "cp037", "ebcdic-cp-us", "ebcdic-cp-ca", "ebcdic-cp-wt", "ebcdic-cp-nl", "csibm037"],
     0,
     concat!("\u{0}\u{1}\u{2}\u{3}\u{9c}\u{9}\u{86}\u{7f}\u{97}\u{8d}\u{8e}\u{b}\u{c}\u{d}\u{e}\u{f}\u{10}", "\u{11}\u{12}\u{13}\u{9d}\u{85}\u{8}\u{87}\u{18}\u{19}\u{92}\u{8f}\u{1c}\u{1d}\u{1e}\u{1f}\u{80}", "\u{81}\u{82}\u{83}\u{84}\u{a}\u{17}\u{1b}\u{88}\u{89}\u{8a}\u{8b}\u{8c}\u{5}\u{6}\u{7}\u{90}", "\u{91}\u{16}\u{93}\u{94}\u{95}\u{96}\u{4}\u{98}\u{99}\u{9a}\u{9b}\u{14}\u{15}\u{9e}\u{1a} \u{a0}", "âäàáãåçñ¢.<(+|&éêëèíîïìß!$*);¬-/ÂÄÀÁÃÅÇÑ¦,%_>?øÉÊËÈÍÎÏÌ`:#@'=\"Øabcdefghi«»ðýþ±°jklmnopqrªºæ¸Æ¤µ", "~stuvwxyz¡¿ÐÝÞ®^£¥·©§¶¼½¾[]¯¨´×{ABCDEFGHI\u{ad}ôöòóõ}JKLMNOPQR¹ûüùúÿ\\÷STUVWXYZ²ÔÖÒÓÕ0123456789³", "ÛÜÙÚ\u{9f}")),
    (&["ibm01140", "ccsid01140", "cp01140", "ebcdic-us-37+euro", "csibm01140"],
     0,
     concat!("\u{0}\u{1}\u{2}\u{3}\u{9c}\u{9}\u{86}\u{7f}\u{97}\u{8d}\u{8e}\u{b}\u{c}\u{d}\u{e}\u{f}\u{10}", "\u{11}\u{12}\u{13}\u{9d}\u{85}\u{8}\u{87}\u{18}\u{19}\u{92}\u{8f}\u{1c}\u{1d}\u{1e}\u{1f}\u{80}", "\u{81}\u{82}\u{83}\u{84}\u{a}\u{17}\u{1b}\u{88}\u{89}\u{8a}\u{8b}\u{8c}\u{5}\u{6}\u{7}\u{90}", "\u{91}\u{16}\u{93}\u{94}\u{95}\u{96}\u{4}\u{98}\u{99}\u{9a}\u{9b}\u{14}\u{15}\u{9e}\u{1a} \u{a0}", "âäàáãåçñ¢.<(+|&éêëèíîïìß!$*);¬-/ÂÄÀÁÃÅÇÑ¦,%_>?øÉÊËÈÍÎÏÌ`:#@'=\"Øabcdefghi«»ðýþ±°jklmnopqrªºæ¸Æ€µ", "~stuvwxyz¡¿ÐÝÞ®^£¥·©§¶¼½¾[]¯¨´×{ABCDEFGHI\u{ad}ôöòóõ}JKLMNOPQR¹ûüùúÿ\\÷STUVWXYZ²ÔÖÒÓÕ0123456789³", "ÛÜÙÚ\u{9f}")),
];

impl Charset {
    /// The encoding that has this name at IANA, in whatever case.
    pub(super) fn named(name: &str) -> Option<Charset> {
        let name = name.trim().to_ascii_lowercase();
        let known = |names: &Names| names.contains(&name.as_str());
        CHARSETS.iter().find(|(names, _)| known(names)).map(|(_, charset)| *charset).or_else(|| {
            CODE_PAGES
                .iter()
                .find(|(names, ..)| known(names))
                .map(|(_, first, characters)| Charset::Table(*first, characters))
        })
    }

    /// The bytes of a text.
    pub(super) fn encode(self, text: &str) -> Result<Vec<u8>, String> {
        match self {
            Charset::Utf8 => Ok(text.as_bytes().to_vec()),
            Charset::Utf16 { marked, little } => {
                let units = marked.then_some(0xfeff).into_iter().chain(text.encode_utf16());
                Ok(units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect())
            }
            Charset::Web(encoding) | Charset::WebWithoutControls(encoding) => {
                if let Charset::WebWithoutControls(_) = self
                    && let Some(control) = text.chars().find(is_control)
                {
                    return Err(unencodable(control));
                }
                let mut bytes = Vec::with_capacity(text.len());
                let mut encoder = encoding.new_encoder();
                let size = encoder
                    .max_buffer_length_from_utf8_without_replacement(text.len())
                    .ok_or("the text is too large")?;
                bytes.reserve(size);
                match encoder.encode_from_utf8_to_vec_without_replacement(text, &mut bytes, true).0 {
                    rs::EncoderResult::InputEmpty => Ok(bytes),
                    rs::EncoderResult::Unmappable(character) => Err(unencodable(character)),
                    rs::EncoderResult::OutputFull => Err("the text is too large".to_owned()),
                }
            }
            _ => {
                let bytes: HashMap<char, u8> =
                    (0..=u8::MAX).filter_map(|byte| Some((self.character(byte)?, byte))).collect();
                let byte = |character| bytes.get(&character).copied().ok_or_else(|| unencodable(character));
                text.chars().map(byte).collect()
            }
        }
    }

    /// The text that bytes mean.
    pub(super) fn decode(self, bytes: &[u8]) -> Result<String, String> {
        let decoded = match self {
            Charset::Utf8 => String::from_utf8(bytes.to_vec()).ok(),
            Charset::Utf16 { marked, little } => {
                let (little, bytes) = match bytes {
                    [0xfe, 0xff, rest @ ..] if marked => (false, rest),
                    [0xff, 0xfe, rest @ ..] if marked => (true, rest),
                    _ => (little, bytes),
                };
                let pairs = bytes.chunks(2).map(|pair| match pair {
                    [a, b] if little => Some(u16::from_le_bytes([*a, *b])),
                    [a, b] => Some(u16::from_be_bytes([*a, *b])),
                    _ => None,
                });
                pairs.collect::<Option<Vec<u16>>>().and_then(|units| String::from_utf16(&units).ok())
            }
            Charset::Web(encoding) => {
                encoding.decode_without_bom_handling_and_without_replacement(bytes).map(|text| text.into_owned())
            }
            Charset::WebWithoutControls(encoding) => encoding
                .decode_without_bom_handling_and_without_replacement(bytes)
                .filter(|text| !text.chars().any(|character| is_control(&character)))
                .map(|text| text.into_owned()),
            _ => bytes.iter().map(|byte| self.character(*byte)).collect(),
        };
        decoded
            .filter(|text| !text.contains('\u{fffd}'))
            .ok_or_else(|| "the bytes mean nothing in this encoding".to_owned())
    }

    /// The character of a byte, where each character is one byte.
    fn character(self, byte: u8) -> Option<char> {
        match self {
            Charset::Ascii => byte.is_ascii().then(|| char::from(byte)),
            Charset::Latin1 => Some(char::from(byte)),
            Charset::Latin5 => Some(match byte {
                0xd0 => 'Ğ',
                0xdd => 'İ',
                0xde => 'Ş',
                0xf0 => 'ğ',
                0xfd => 'ı',
                0xfe => 'ş',
                other => char::from(other),
            }),
            Charset::Table(first, characters) => match byte.checked_sub(first) {
                Some(position) => {
                    characters.chars().nth(usize::from(position)).filter(|character| *character != '\u{fffd}')
                }
                None => Some(char::from(byte)),
            },
            _ => None,
        }
    }
}

fn is_control(character: &char) -> bool {
    matches!(character, '\u{80}'..='\u{9f}')
}

fn unencodable(character: char) -> String {
    format!("`{character}` cannot be represented in this encoding")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_complete() {
        for (names, first, characters) in CODE_PAGES {
            assert_eq!(characters.chars().count(), 256 - usize::from(*first), "{names:?}");
        }
    }

    #[test]
    fn all_bytes_read_back() {
        for (names, charset) in CHARSETS {
            if let Charset::Ascii | Charset::Latin1 | Charset::Latin5 = charset {
                for byte in 0..=u8::MAX {
                    if let Ok(text) = charset.decode(&[byte]) {
                        assert_eq!(charset.encode(&text), Ok(vec![byte]), "{names:?}");
                    }
                }
            }
        }
    }
}
