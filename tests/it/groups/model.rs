//! GLPI's search as a program over computers in memory: three-valued logic over every combination of joined rows. None is SQL's NULL.

use std::fmt::Write as _;

/// Parents of the locations 1, 2, 3 and the entities 0, 1, 2: a chain.
const CHAIN: [u32; 3] = [0, 1, 2];

/// Names of rows by id, of every table alike; 0 is no row.
pub(crate) const NAMES: [Option<&str>; 4] = [None, Some("a"), Some("ab_"), None];

/// Last name, first name and login of the users 1, 2, 3.
pub(crate) const USERS: [[Option<&str>; 3]; 3] = [
    [Some("a"), Some("b"), Some("ab")],
    [None, Some("ab_"), Some("b")],
    [Some(""), Some(""), None],
];

#[derive(Debug, Clone, Default)]
pub(crate) struct Computer {
    pub(crate) id: u32,
    pub(crate) name: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) location: u32,
    pub(crate) entity: u32,
    pub(crate) user: u32,
    pub(crate) changed: Option<String>,
    pub(crate) gone: bool,
    /// System and version.
    pub(crate) systems: Vec<(u32, u32)>,
    /// Software, each with a version of the same id, and whether it is in the trash.
    pub(crate) software: Vec<(u32, bool)>,
    pub(crate) ips: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum Criterion {
    Leaf(Leaf),
    Group(String, Vec<Self>),
}

#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) link: String,
    pub(crate) software: bool,
    pub(crate) option: u32,
    pub(crate) verb: String,
    pub(crate) value: String,
}

impl Leaf {
    pub(crate) fn new(link: &str, option: u32, verb: &str, value: &str) -> Self {
        Self {
            link: link.into(),
            software: false,
            option,
            verb: verb.into(),
            value: value.into(),
        }
    }
}

/// A criterion joined by AND.
pub(crate) fn leaf(option: u32, verb: &str, value: &str) -> Criterion {
    Criterion::Leaf(Leaf::new("AND", option, verb, value))
}

/// `criteria` as the plugin stores them.
pub(crate) fn stored(criteria: &[Criterion]) -> String {
    format!(
        "a:2:{{s:8:\"criteria\";{}s:12:\"metacriteria\";a:0:{{}}}}",
        list(criteria)
    )
}

fn list(criteria: &[Criterion]) -> String {
    let mut text = format!("a:{}:{{", criteria.len());
    for (index, criterion) in criteria.iter().enumerate() {
        let string = |text: &str| format!("s:{}:\"{text}\";", text.len());
        let pairs = match criterion {
            Criterion::Group(link, inner) => {
                vec![("link", string(link)), ("criteria", list(inner))]
            }
            Criterion::Leaf(leaf) => {
                let mut pairs = vec![
                    ("link", string(&leaf.link)),
                    ("field", string(&leaf.option.to_string())),
                    ("searchtype", string(&leaf.verb)),
                    ("value", string(&leaf.value)),
                ];
                if leaf.software {
                    pairs.extend([("itemtype", string("Software")), ("meta", "b:1;".into())]);
                }
                pairs
            }
        };
        write!(text, "i:{index};a:{}:{{", pairs.len()).unwrap();
        for (key, value) in pairs {
            write!(text, "{}{value}", string(key)).unwrap();
        }
        text.push('}');
    }
    text + "}"
}

type Truth = Option<bool>;

fn not(truth: Truth) -> Truth {
    truth.map(|truth| !truth)
}

fn and(a: Truth, b: Truth) -> Truth {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn or(a: Truth, b: Truth) -> Truth {
    not(and(not(a), not(b)))
}

/// A joined row: 0 is none.
#[derive(Clone, Copy)]
struct Row<'a> {
    computer: &'a Computer,
    system: u32,
    version: u32,
    software: u32,
    ip: Option<&'a str>,
}

fn rows(computer: &Computer) -> Vec<Row<'_>> {
    let mut systems = computer.systems.clone();
    let mut software: Vec<u32> = computer
        .software
        .iter()
        .filter(|(_, trash)| !trash)
        .map(|(id, _)| *id)
        .collect();
    let mut ips: Vec<Option<&str>> = computer.ips.iter().map(|ip| Some(ip.as_str())).collect();
    if systems.is_empty() {
        systems.push((0, 0));
    }
    if software.is_empty() {
        software.push(0);
    }
    if ips.is_empty() {
        ips.push(None);
    }
    let mut rows = Vec::new();
    for (system, version) in systems {
        for software in &software {
            for ip in &ips {
                rows.push(Row {
                    computer,
                    system,
                    version,
                    software: *software,
                    ip: *ip,
                });
            }
        }
    }
    rows
}

/// The ids of the computers that fit.
pub(crate) fn members(computers: &[Computer], criteria: &[Criterion]) -> Vec<u32> {
    let fits = |computer: &Computer| {
        let holds = |truth: Option<Truth>| truth.is_none_or(|truth| truth == Some(true));
        let all = rows(computer);
        let chosen: Vec<Row<'_>> = all
            .into_iter()
            .filter(|row| {
                holds(truth(criteria, &|leaf| {
                    (!over_all(leaf)).then(|| compare(leaf, row))
                }))
            })
            .collect();
        let having = |leaf: &Leaf| {
            over_all(leaf).then(|| {
                let names = chosen.iter().filter_map(|row| NAMES[row.software as usize]);
                Some(!names.into_iter().any(|name| like(&leaf.value, name)))
            })
        };
        !computer.gone && !chosen.is_empty() && holds(truth(criteria, &having))
    };
    let ids = computers
        .iter()
        .filter(|computer| fits(computer))
        .map(|computer| computer.id);
    ids.collect()
}

fn over_all(leaf: &Leaf) -> bool {
    leaf.software && leaf.link == "AND NOT"
}

/// None when nothing in `criteria` counts.
fn truth(criteria: &[Criterion], of: &dyn Fn(&Leaf) -> Option<Truth>) -> Option<Truth> {
    // Alternatives of what is joined by AND.
    let mut alternatives: Vec<Truth> = Vec::new();
    for criterion in criteria {
        let (link, truth) = match criterion {
            Criterion::Leaf(leaf) if leaf.value.is_empty() => continue,
            Criterion::Leaf(leaf) => (&leaf.link, of(leaf)),
            Criterion::Group(link, inner) => {
                let inner = truth(inner, of);
                let turned = link.ends_with("NOT");
                (
                    link,
                    inner.map(|truth| if turned { not(truth) } else { truth }),
                )
            }
        };
        let Some(truth) = truth else {
            continue;
        };
        match alternatives.last_mut() {
            Some(last) if link.starts_with("AND") => *last = and(*last, truth),
            _ => alternatives.push(truth),
        }
    }
    alternatives.into_iter().reduce(or)
}

fn compare(leaf: &Leaf, row: &Row<'_>) -> Truth {
    let computer = row.computer;
    let not_link = leaf.link.ends_with("NOT");
    let name = |id: u32| NAMES[id as usize];
    if leaf.software {
        let software = (row.software > 0).then_some(row.software);
        return match leaf.option {
            1 if leaf.verb.ends_with("equals") => same(leaf, software, not_link),
            1 => text(leaf, name(row.software), not_link),
            _ => on_row(leaf, software, name(row.software), not_link),
        };
    }
    match leaf.option {
        1 if leaf.verb.ends_with("equals") => same(leaf, Some(computer.id), not_link),
        1 => text(leaf, computer.name.as_deref(), not_link),
        5 => text(leaf, computer.serial.as_deref(), not_link),
        3 => {
            let location = (computer.location > 0).then_some(computer.location);
            on_row(leaf, location, name(computer.location), not_link)
        }
        80 => {
            let names = [Some("a"), Some("ab_"), None];
            on_row(
                leaf,
                Some(computer.entity),
                names[computer.entity as usize],
                not_link,
            )
        }
        45 => on_row(
            leaf,
            (row.system > 0).then_some(row.system),
            name(row.system),
            not_link,
        ),
        46 => on_row(
            leaf,
            (row.version > 0).then_some(row.version),
            name(row.version),
            not_link,
        ),
        126 => text(leaf, row.ip, not_link),
        70 => person(leaf, computer.user, not_link),
        19 => moment(leaf, computer.changed.as_deref(), not_link),
        other => panic!("option {other}"),
    }
}

fn same(leaf: &Leaf, id: Option<u32>, not_link: bool) -> Truth {
    let equal = id.map(|id| id.to_string() == leaf.value);
    if not_link == (leaf.verb == "notequals") {
        equal
    } else {
        not(equal)
    }
}

fn text(leaf: &Leaf, text: Option<&str>, not_link: bool) -> Truth {
    match leaf.verb.as_str() {
        "equals" | "notequals" => {
            let equal = text.map(|text| text.eq_ignore_ascii_case(&leaf.value));
            if not_link == (leaf.verb == "notequals") {
                equal
            } else {
                not(equal)
            }
        }
        verb => fits(&leaf.value, text, not_link != (verb == "notcontains")),
    }
}

fn fits(value: &str, text: Option<&str>, turned: bool) -> Truth {
    let empty = text == Some("");
    let null_word = value.eq_ignore_ascii_case("null");
    if value == "NULL" || value == "null" {
        return Some((text.is_none() || empty) != turned);
    }
    let blank = value.trim();
    if blank == "^$" || blank == "$" {
        return Some(if turned {
            value != "^$" || text.is_some()
        } else {
            text.is_none()
        });
    }
    let found = text.map(|text| like(value, text) || null_word && empty);
    if turned {
        Some(found != Some(true))
    } else {
        found
    }
}

fn like(value: &str, text: &str) -> bool {
    let value = value.trim();
    if value == "^" {
        return true;
    }
    let (start, value) = value
        .strip_prefix('^')
        .map_or((false, value), |v| (true, v));
    let (end, value) = value
        .strip_suffix('$')
        .map_or((false, value), |v| (true, v));
    let pattern = format!(
        "{}{value}{}",
        if start { "" } else { "%" },
        if end { "" } else { "%" }
    );
    wild(&pattern.to_lowercase(), &text.to_lowercase())
}

fn wild(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('%') => (0..=text.len()).any(|at| wild(&pattern[1..], &text[at..])),
        Some(c) => text.starts_with(c) && wild(&pattern[c.len_utf8()..], &text[c.len_utf8()..]),
    }
}

fn on_row(leaf: &Leaf, id: Option<u32>, name: Option<&str>, not_link: bool) -> Truth {
    let number: u32 = leaf.value.parse().unwrap_or(0);
    let below = |mut id: u32| loop {
        if id == number {
            return true;
        }
        match CHAIN.iter().position(|own| *own == id && id > 0) {
            Some(at) => id = CHAIN[at] - 1,
            None if id == 3 => id = 2,
            None => return false,
        }
    };
    let (found, turned, null_turned) = match leaf.verb.as_str() {
        "equals" => (id.map(|id| id == number), not_link, not_link),
        "notequals" => (id.map(|id| id == number), !not_link, !not_link),
        "under" => (id.map(below), not_link, not_link),
        "notunder" => (id.map(below), !not_link, not_link),
        _ => return text(leaf, name, not_link),
    };
    let found = if turned { not(found) } else { found };
    let or_null = if null_turned {
        number != 0
    } else {
        number == 0
    };
    or(found, Some(or_null && id.is_none()))
}

fn person(leaf: &Leaf, user: u32, not_link: bool) -> Truth {
    if leaf.verb.ends_with("equals") {
        let id = (user > 0).then_some(user);
        let number: u32 = leaf.value.parse().unwrap_or(0);
        let same = id.map(|id| id == number);
        let differs = not(same);
        return match (leaf.verb.as_str(), number) {
            ("equals", 0) if not_link => or(differs, Some(id.is_none())),
            ("equals", 0) => or(same, Some(id.is_none())),
            // GLPI adds everybody who is somebody, whichever way it compares.
            (_, 0) => id.map(|_| true),
            (verb, _) if (verb == "equals") == not_link => differs,
            _ => same,
        };
    }
    let [last, first, login] = user
        .checked_sub(1)
        .map_or([None; 3], |at| USERS[at as usize]);
    let turned = not_link != (leaf.verb == "notcontains");
    let both = last
        .zip(first)
        .map(|(last, first)| format!("{last} {first}"));
    let null_word = matches!(leaf.value.as_str(), "NULL" | "null");
    let absent = null_word || matches!(leaf.value.trim(), "^$" | "$");
    let each = [last, first, login, both.as_deref()].map(|text| {
        let found = if absent {
            Some(text.is_none())
        } else {
            text.map(|text| like(&leaf.value, text))
        };
        if turned { not(found) } else { found }
    });
    if turned {
        let all = each.into_iter().reduce(and).unwrap();
        or(all, Some(!null_word && login.is_none()))
    } else {
        each.into_iter().reduce(or).unwrap()
    }
}

fn moment(leaf: &Leaf, moment: Option<&str>, not_link: bool) -> Truth {
    let (value, midnight) = match leaf.value.as_str() {
        "TODAY" => ("2026-03-04", "2026-03-04 00:00:00".to_owned()),
        "-1DAY" => ("2026-03-03", "2026-03-03 00:00:00".to_owned()),
        "NOW" => ("2026-03-04 12:00", "2026-03-04 12:00:00".to_owned()),
        other => (other, format!("{other} 00:00:00")),
    };
    match leaf.verb.as_str() {
        "lessthan" | "morethan" => {
            let found = moment.map(|moment| {
                if leaf.verb == "lessthan" {
                    moment < midnight.as_str()
                } else {
                    moment > midnight.as_str()
                }
            });
            if not_link { not(found) } else { found }
        }
        "equals" | "notequals" => {
            let turned = not_link != (leaf.verb == "notequals");
            let found = moment.map(|moment| moment.starts_with(value));
            if turned {
                Some(found != Some(true))
            } else {
                found
            }
        }
        _ => text(leaf, moment, not_link),
    }
}
