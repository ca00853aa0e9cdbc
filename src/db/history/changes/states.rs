//! Tasks as GLPI has them: all of them by three statements, or one.

use std::collections::HashMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Params, Row};

use crate::db::row::{Columns, readable};
use crate::db::{Db, DbError};
use crate::domain::actors::parse_targets;
use crate::domain::changes::{Field, Item, State, Values};
use crate::domain::ids::{JobId, TaskId};
use crate::domain::timeslot::Entry;
use crate::proto::text::decode;

/// Job, task, name, method, comment, targets, actors.
type JobRow = (
    u32,
    u32,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// A task with the preparation and the execution slot that it names.
type Slotted = (State, [u32; 2]);

/// Which tasks are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    /// All.
    All,
    /// One, which nobody else can change until the end of the transaction, nor its jobs.
    Locked(TaskId),
}

impl Db {
    /// Every task as GLPI has it, in no order.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn task_states(&self) -> Result<Vec<(TaskId, State)>, DbError> {
        self.timed("task_states", async {
            read(self, &mut self.conn().await?, Which::All).await
        })
        .await
    }
}

/// Tasks come first: the jobs of one that is made meanwhile are nobody's yet.
pub(super) async fn read(
    db: &Db,
    on: &mut impl Queryable,
    which: Which,
) -> Result<Vec<(TaskId, State)>, DbError> {
    let (of_tasks, of_jobs, one) = match which {
        Which::All => ("", "", None),
        Which::Locked(task) => (
            "WHERE id = ? FOR UPDATE",
            "WHERE {f}tasks_id = ? FOR UPDATE",
            Some(task.0),
        ),
    };
    let one = || one.map_or(Params::Empty, |task| Params::Positional(vec![task.into()]));
    // Unix time: sessions may have the offset that their zone has now, and moments would seem to change with it.
    let text = format!(
        "/* task_states */ SELECT id, entities_id, name, comment, is_active, CAST(UNIX_TIMESTAMP(datetime_start) AS SIGNED), \
         CAST(UNIX_TIMESTAMP(datetime_end) AS SIGNED), {{f}}timeslots_prep_id, {{f}}timeslots_exec_id, wakeup_agent_counter, wakeup_agent_time, \
         reprepare_if_successful, is_deploy_on_demand FROM {{p}}tasks {of_tasks}"
    );
    let rows: Vec<Row> = on.exec(db.names.replace(&text), one()).await?;
    let mut tasks: HashMap<TaskId, Slotted> = readable(rows.into_iter().map(task)).collect();
    let text = format!(
        "/* task_states */ SELECT id, {{f}}tasks_id, name, method, comment, targets, actors FROM {{p}}taskjobs {of_jobs}"
    );
    let rows: Vec<JobRow> = on.exec(db.names.replace(&text), one()).await?;
    for row in rows {
        if let Some((state, _)) = tasks.get_mut(&TaskId(row.1)) {
            state.jobs.insert(JobId(row.0), job(row));
        }
    }
    let times = times(db, on, which, &tasks).await?;
    let tasks = tasks.into_iter().map(|(id, (mut state, slots))| {
        for (slot, field) in slots.iter().zip([Field::PrepTimes, Field::ExecTimes]) {
            if let Some(times) = times.get(slot).filter(|_| *slot != 0) {
                state.values = std::mem::take(&mut state.values).list(field, times);
            }
        }
        (id, state)
    });
    Ok(tasks.collect())
}

fn task(row: Row) -> Result<(TaskId, Slotted), DbError> {
    // Whatever number stands there: a row that could not be read would look as if the task were gone.
    let number = |columns: &mut Columns, column| -> Result<u32, DbError> {
        Ok(u32::try_from(columns.take::<i64>(column)?).unwrap_or_default())
    };
    let mut columns = Columns::new("tasks", row);
    let columns = &mut columns;
    let id = TaskId(columns.take("id")?);
    let values = Values::default()
        .number(Field::Entity, number(columns, "entities_id")?)
        .text(Field::Name, &decode(&columns.text("name")?))
        .text(Field::Comment, &decode(&columns.text("comment")?))
        .flag(Field::Active, columns.flag("is_active")?)
        .moment(Field::Start, columns.take("datetime_start")?)
        .moment(Field::End, columns.take("datetime_end")?);
    let slots = [
        number(columns, "timeslots_prep_id")?,
        number(columns, "timeslots_exec_id")?,
    ];
    let values = values
        .number(Field::PrepSlot, slots[0])
        .number(Field::ExecSlot, slots[1])
        .number(
            Field::WakeupAgents,
            number(columns, "wakeup_agent_counter")?,
        )
        .number(Field::WakeupEvery, number(columns, "wakeup_agent_time")?)
        .flag(Field::Again, columns.flag("reprepare_if_successful")?)
        .flag(Field::OnDemand, columns.flag("is_deploy_on_demand")?);
    let state = State {
        values,
        ..State::default()
    };
    Ok((id, (state, slots)))
}

fn job((_, _, name, method, comment, targets, actors): JobRow) -> Values {
    let text = |text: Option<String>| decode(&text.unwrap_or_default()).into_owned();
    let things = |json: Option<String>| -> Vec<Item> {
        let things = parse_targets(&json.unwrap_or_default());
        things.into_iter().map(Item::Thing).collect()
    };
    Values::default()
        .text(Field::Name, &text(name))
        .text(Field::Method, &text(method))
        .text(Field::Comment, &text(comment))
        .list(Field::Targets, &things(targets))
        .list(Field::Actors, &things(actors))
}

/// The times of timeslots, in the order of the week.
async fn times(
    db: &Db,
    on: &mut impl Queryable,
    which: Which,
    tasks: &HashMap<TaskId, Slotted>,
) -> Result<HashMap<u32, Vec<Item>>, DbError> {
    let slots = tasks.values().next().map_or([0; 2], |(_, slots)| *slots);
    let (filter, values) = match which {
        Which::All => ("", Params::Empty),
        Which::Locked(_) => (
            "WHERE {f}timeslots_id IN (?, ?)",
            Params::from((slots[0], slots[1])),
        ),
    };
    let text = format!(
        "/* task_states */ SELECT {{f}}timeslots_id, day, `begin`, `end` FROM {{p}}timeslotentries {filter} ORDER BY 1, 2, 3, 4"
    );
    let rows: Vec<(u32, i64, Option<u32>, Option<u32>)> =
        on.exec(db.names.replace(&text), values).await?;
    let mut times: HashMap<u32, Vec<Item>> = HashMap::new();
    for (slot, day, begin, end) in rows {
        // As the catalogue reads them: others are never open.
        if let (Ok(day), Some(begin), Some(end)) = (u32::try_from(day), begin, end) {
            let time = Item::Time(Entry { day, begin, end });
            times.entry(slot).or_default().push(time);
        }
    }
    Ok(times)
}
