//! A week as a picture (SVG), in the manner of Tasks Redux: a line for each day, a square for each hour, dark where it is open.
//!
//! It holds no style sheet, script or id, so that it can stand in a page as often as wished, whatever its policy of contents.

use super::xml::Element;
use crate::domain::timeslot::{Opening, Week};

/// The words of a picture.
#[derive(Debug)]
pub struct Words {
    /// The days, Monday first; their first two letters stand before the lines.
    pub days: [&'static str; 7],
    /// Before the openings.
    pub open_on: &'static str,
    /// Instead of them.
    pub never: &'static str,
}

/// English.
pub const ENGLISH: Words = Words {
    days: [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ],
    open_on: "Open on",
    never: "Never open.",
};

/// French.
pub const FRENCH: Words = Words {
    days: [
        "Lundi", "Mardi", "Mercredi", "Jeudi", "Vendredi", "Samedi", "Dimanche",
    ],
    open_on: "Ouvert :",
    never: "Jamais ouvert.",
};

/// Side of a square: half a unit for each minute of its hour.
const SIDE: u32 = 30;
/// From one square to the next.
const PITCH: u32 = SIDE + 2;
/// Where the squares begin.
const LEFT: u32 = 36;
const TOP: u32 = 20;
/// From the top of a square to the base line of its day's name.
const BASELINE: u32 = 20;

const OPEN: &str = "#3f3f3f";
const CLOSED: &str = "#e6e6e6";

/// Draws `week`; `title`, any text, says whose it is. Parts of a minute are not shown.
#[must_use]
pub fn draw(week: &Week, title: &str, words: &Words) -> String {
    let (width, height) = (LEFT + 24 * PITCH, TOP + 7 * PITCH);
    let openings: Vec<Opening> = week.openings().filter_map(to_the_minute).collect();
    let label = |x: u32, y: u32, text: &str| {
        Element::new("text")
            .attribute("x", x.to_string())
            .attribute("y", y.to_string())
            .text(text)
    };
    let mut days = Element::new("g").attribute("text-anchor", "end");
    let mut closed = Element::new("g").attribute("fill", CLOSED);
    for (weekday, name) in (0..).zip(words.days) {
        let y = TOP + weekday * PITCH;
        days = days.child(label(LEFT - 6, y + BASELINE, &name[..2]));
        for hour in 0..24 {
            closed = closed.child(square(weekday, hour, 0, 60));
        }
    }
    let mut hours = Element::new("g").attribute("text-anchor", "middle");
    for hour in 0..24 {
        let middle = LEFT + hour * PITCH + SIDE / 2;
        hours = hours.child(label(middle, TOP - 6, &hour.to_string()));
    }
    let mut open = Element::new("g").attribute("fill", OPEN);
    for opening in &openings {
        open = open.child(squares(*opening, words));
    }
    Element::new("svg")
        .attribute("xmlns", "http://www.w3.org/2000/svg")
        .attribute("role", "img")
        .attribute("width", width.to_string())
        .attribute("height", height.to_string())
        .attribute("viewBox", format!("0 0 {width} {height}"))
        .attribute("font-family", "sans-serif")
        .attribute("font-size", "12")
        .attribute("fill", "currentColor")
        .child(Element::new("title").text(title))
        .child(Element::new("desc").text(described(&openings, words)))
        .child(days)
        .child(hours)
        .child(closed)
        .child(open)
        .to_xml()
}

/// The opening in minutes; none if nothing is left of it. An entry of the plugin that ends at 12:00 is open for a second more.
fn to_the_minute(opening: Opening) -> Option<Opening> {
    let (begin, end) = (opening.begin / 60, opening.end / 60);
    (begin < end).then_some(Opening {
        begin,
        end,
        ..opening
    })
}

/// The squares of an opening, which tell its times to whoever points at them.
fn squares(opening: Opening, words: &Words) -> Element {
    let Opening {
        weekday,
        begin,
        end,
    } = opening;
    let title = format!("{} {}", words.days[weekday as usize], times(opening));
    let group = Element::new("g").child(Element::new("title").text(title));
    (begin / 60..end.div_ceil(60)).fold(group, |group, hour| {
        let first = hour * 60;
        group.child(square(
            weekday,
            hour,
            begin.max(first) - first,
            end.min(first + 60) - first,
        ))
    })
}

/// The part of an hour's square from one minute to another.
fn square(weekday: u32, hour: u32, from: u32, to: u32) -> Element {
    let minutes = |minutes: u32| f64::from(minutes * SIDE) / 60.0;
    let x = f64::from(LEFT + hour * PITCH) + minutes(from);
    Element::new("rect")
        .attribute("x", x.to_string())
        .attribute("y", (TOP + weekday * PITCH).to_string())
        .attribute("width", minutes(to - from).to_string())
        .attribute("height", SIDE.to_string())
        .attribute("rx", "3")
}

/// The openings in words, for those who do not see them.
fn described(openings: &[Opening], words: &Words) -> String {
    let days: Vec<String> = openings
        .chunk_by(|a, b| a.weekday == b.weekday)
        .map(|day| {
            let times: Vec<String> = day.iter().copied().map(times).collect();
            format!(
                "{} {}",
                words.days[day[0].weekday as usize],
                times.join(", ")
            )
        })
        .collect();
    if days.is_empty() {
        words.never.to_owned()
    } else {
        format!("{} {}.", words.open_on, days.join("; "))
    }
}

fn times(opening: Opening) -> String {
    let time = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
    format!("{}\u{2013}{}", time(opening.begin), time(opening.end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::timeslot::Entry;
    use crate::domain::timeslot::hours::{Grid, HourRow};
    use proptest::prelude::*;
    use quick_xml::Reader;
    use quick_xml::events::{BytesStart, Event};

    const DRAWN: &str = include_str!("../../fixtures/timeslots/example.svg");

    fn value(element: &BytesStart<'_>, name: &str) -> String {
        let attribute = element.try_get_attribute(name).unwrap().unwrap();
        attribute.value.to_string()
    }

    /// In which square, counted from `origin`, a coordinate lies.
    fn index(element: &BytesStart<'_>, name: &str, origin: u32) -> usize {
        let value = value(element, name);
        let whole: u32 = value.split('.').next().unwrap().parse().unwrap();
        ((whole - origin) / PITCH) as usize
    }

    /// Weekday, hour, left edge and width.
    type Square = (usize, usize, String, String);

    /// Reads a picture to its end: the texts of its first title and of its description, and the dark squares.
    fn read(picture: &str) -> (String, String, Vec<Square>) {
        let mut reader = Reader::from_str(picture);
        let (mut texts, mut dark, mut depth) = (Vec::new(), Vec::new(), 0);
        let mut fill = String::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Start(element) => {
                    depth += 1;
                    texts.push(String::new());
                    if let Some(found) = element.try_get_attribute("fill").unwrap() {
                        fill = found.value.to_string();
                    }
                }
                Event::Empty(element) if fill == OPEN => {
                    dark.push((
                        index(&element, "y", TOP),
                        index(&element, "x", LEFT),
                        value(&element, "x"),
                        value(&element, "width"),
                    ));
                }
                Event::Empty(_) => {}
                Event::Text(text) => texts.last_mut().unwrap().push_str(&text),
                Event::GeneralRef(name) => {
                    let text = quick_xml::escape::unescape(&format!("&{};", &*name))
                        .unwrap()
                        .into_owned();
                    texts.last_mut().unwrap().push_str(&text);
                }
                Event::End(_) => depth -= 1,
                Event::Eof => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(depth, 0, "every element is closed");
        (texts[1].trim().to_owned(), texts[2].trim().to_owned(), dark)
    }

    #[test]
    fn the_example_of_tasks_redux_to_the_letter() {
        let rows = include_str!("../../fixtures/timeslots/example.tsv")
            .lines()
            .skip(1);
        let rows = rows.map(|line| {
            let numbers: Vec<u8> = line.split('\t').map(|n| n.parse().unwrap()).collect();
            HourRow::new(numbers[0], numbers[1], numbers[2])
        });
        let drawn = draw(
            &Week::from_hours(rows),
            "Office <12345> & \"more\"\u{1}",
            &ENGLISH,
        );
        assert_eq!(drawn, DRAWN);
        assert_eq!(read(&drawn).0, "Office <12345> & \"more\"");
    }

    /// Of the plugin, with ends included: an hour and a quarter, one that goes on past midnight, and less than a minute.
    #[test]
    fn parts_of_hours() {
        let entries = [
            (1, 8 * 3600 + 900, 9 * 3600 + 1800),
            (6, 23 * 3600, 86_399),
            (7, 0, 900),
            (3, 30, 58),
        ];
        let week = Week::from_entries(entries.map(|(day, begin, end)| Entry { day, begin, end }));
        let (_, said, dark) = read(&draw(&week, "", &ENGLISH));
        assert_eq!(
            said,
            "Open on Monday 08:15–09:30; Saturday 23:00–24:00; Sunday 00:00–00:15."
        );
        let square =
            |day, hour, x: &str, width: &str| -> Square { (day, hour, x.into(), width.into()) };
        assert_eq!(
            dark,
            [
                square(0, 8, "299.5", "22.5"),
                square(0, 9, "324", "15"),
                square(5, 23, "772", "30"),
                square(6, 0, "36", "7.5"),
            ]
        );
    }

    #[test]
    fn what_is_said_of_a_week() {
        for (rows, said) in [
            (vec![], "Never open."),
            (vec![HourRow::new(0, 0, 24)], "Open on Monday 00:00–24:00."),
            (
                vec![
                    HourRow::new(6, 9, 12),
                    HourRow::new(6, 14, 15),
                    HourRow::new(1, 1, 2),
                ],
                "Open on Tuesday 01:00–02:00; Sunday 09:00–12:00, 14:00–15:00.",
            ),
        ] {
            assert_eq!(read(&draw(&Week::from_hours(rows), "", &ENGLISH)).1, said);
        }
    }

    proptest! {
        #[test]
        fn dark_are_the_open_hours(grid in prop::array::uniform7(prop::array::uniform24(any::<bool>())).prop_map(Grid), title in any::<String>()) {
            let (_, _, dark) = read(&draw(&Week::from_hours(grid.rows()), &title, &ENGLISH));
            let mut shown = Grid::default();
            for (day, hour, x, width) in dark {
                prop_assert_eq!((x, width), ((LEFT as usize + hour * PITCH as usize).to_string(), SIDE.to_string()));
                shown.0[day][hour] = true;
            }
            prop_assert_eq!(shown, grid);
        }
    }
}
