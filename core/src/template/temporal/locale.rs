//! Month and day names, built in: English and Korean, then what dates print most often.
//!
//! `macros.ds_format_locale` needs the names of other languages; a locale outside this table is
//! refused by name rather than answered in English.

use super::languages;

/// The names of one language.
pub(crate) struct Names {
    pub(crate) months: [&'static str; 12],
    pub(crate) months_short: [&'static str; 12],
    /// Monday first.
    pub(crate) days: [&'static str; 7],
    pub(crate) days_short: [&'static str; 7],
    pub(crate) meridiem: [&'static str; 2],
    /// pendulum's named forms: LTS, LT, L, LL, LLL, LLLL.
    pub(crate) forms: [&'static str; 6],
    /// The number of a place: `1st`.
    pub(crate) ordinal: fn(i64) -> String,
    /// From Monday, 0; the week begins then.
    pub(crate) first_day: i64,
}

fn english_ordinal(number: i64) -> String {
    let suffix = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

fn french_ordinal(number: i64) -> String {
    format!("{number}{}", if number == 1 { "er" } else { "e" })
}

fn spanish_ordinal(number: i64) -> String {
    format!("{number}º")
}

fn plain_ordinal(number: i64) -> String {
    number.to_string()
}

/// English, the default everywhere.
pub(crate) static ENGLISH: Names = Names {
    months: [
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
    ],
    months_short: [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ],
    days: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    days_short: ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    meridiem: ["AM", "PM"],
    forms: [
        "h:mm:ss A",
        "h:mm A",
        "MM/DD/YYYY",
        "MMMM D, YYYY",
        "MMMM D, YYYY h:mm A",
        "dddd, MMMM D, YYYY h:mm A",
    ],
    ordinal: english_ordinal,
    first_day: 6,
};

static KOREAN: Names = Names {
    months: ["1월", "2월", "3월", "4월", "5월", "6월", "7월", "8월", "9월", "10월", "11월", "12월"],
    months_short: [
        "1월", "2월", "3월", "4월", "5월", "6월", "7월", "8월", "9월", "10월", "11월", "12월",
    ],
    days: ["월요일", "화요일", "수요일", "목요일", "금요일", "토요일", "일요일"],
    days_short: ["월", "화", "수", "목", "금", "토", "일"],
    meridiem: ["오전", "오후"],
    forms: [
        "A h시 m분 s초",
        "A h시 m분",
        "YYYY.MM.DD",
        "YYYY년 MMMM D일",
        "YYYY년 MMMM D일 A h시 m분",
        "YYYY년 MMMM D일 dddd A h시 m분",
    ],
    ordinal: plain_ordinal,
    first_day: 0,
};

static GERMAN: Names = Names {
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    months_short: [
        "Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.",
        "Dez.",
    ],
    days: ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
    days_short: ["Mo.", "Di.", "Mi.", "Do.", "Fr.", "Sa.", "So."],
    meridiem: ["AM", "PM"],
    forms: [
        "HH:mm:ss",
        "HH:mm",
        "DD.MM.YYYY",
        "D. MMMM YYYY",
        "D. MMMM YYYY HH:mm",
        "dddd, D. MMMM YYYY HH:mm",
    ],
    ordinal: plain_ordinal,
    first_day: 0,
};

static FRENCH: Names = Names {
    months: [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
    months_short: [
        "janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.",
        "déc.",
    ],
    days: ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
    days_short: ["lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."],
    meridiem: ["AM", "PM"],
    forms: [
        "HH:mm:ss",
        "HH:mm",
        "DD/MM/YYYY",
        "D MMMM YYYY",
        "D MMMM YYYY HH:mm",
        "dddd D MMMM YYYY HH:mm",
    ],
    ordinal: french_ordinal,
    first_day: 0,
};

static SPANISH: Names = Names {
    months: [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
    months_short: [
        "ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic",
    ],
    days: ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
    days_short: ["lun", "mar", "mié", "jue", "vie", "sáb", "dom"],
    meridiem: ["a. m.", "p. m."],
    forms: [
        "H:mm:ss",
        "H:mm",
        "DD/MM/YYYY",
        "D [de] MMMM [de] YYYY",
        "D [de] MMMM [de] YYYY H:mm",
        "dddd, D [de] MMMM [de] YYYY H:mm",
    ],
    ordinal: spanish_ordinal,
    first_day: 0,
};

static JAPANESE: Names = Names {
    months: ["1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月"],
    months_short: [
        "1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月",
    ],
    days: ["月曜日", "火曜日", "水曜日", "木曜日", "金曜日", "土曜日", "日曜日"],
    days_short: ["月", "火", "水", "木", "金", "土", "日"],
    meridiem: ["午前", "午後"],
    forms: [
        "HH:mm:ss",
        "HH:mm",
        "YYYY/MM/DD",
        "YYYY年M月D日",
        "YYYY年M月D日 HH:mm",
        "YYYY年M月D日 dddd HH:mm",
    ],
    ordinal: plain_ordinal,
    first_day: 0,
};

/// The languages that [`names_of`] knows, for error texts.
pub(crate) const KNOWN: &str =
    "en, ko, ja, zh, de, fr, es, it, pt, nl, da, nb, sv, pl, cs, ru, uk, tr, id";

/// The names for `en`, `en_US`, `ko-KR`, …; `None` for a language outside the table.
pub(crate) fn names_of(locale: &str) -> Option<&'static Names> {
    let language = locale.split(['_', '-', '.']).next().unwrap_or_default();
    match language.to_ascii_lowercase().as_str() {
        "en" | "c" | "" => Some(&ENGLISH),
        "ko" => Some(&KOREAN),
        "ja" => Some(&JAPANESE),
        "de" => Some(&GERMAN),
        "fr" => Some(&FRENCH),
        "es" => Some(&SPANISH),
        "it" => Some(&languages::ITALIAN),
        "pt" => Some(&languages::PORTUGUESE),
        "nl" => Some(&languages::DUTCH),
        "pl" => Some(&languages::POLISH),
        "ru" => Some(&languages::RUSSIAN),
        "sv" => Some(&languages::SWEDISH),
        "zh" => Some(&languages::CHINESE),
        "tr" => Some(&languages::TURKISH),
        "da" => Some(&languages::DANISH),
        "nb" => Some(&languages::NORWEGIAN),
        "cs" => Some(&languages::CZECH),
        "uk" => Some(&languages::UKRAINIAN),
        "id" => Some(&languages::INDONESIAN),
        _ => None,
    }
}
