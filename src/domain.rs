//! The rules, as pure functions: no IO, no clock, no SQL, no HTTP.

pub mod actors;
pub mod admission;
pub mod catalogue;
pub mod cleaning;
pub mod criteria;
pub mod crons;
pub mod delivery;
pub mod eligibility;
pub mod entities;
pub mod expiry;
pub mod ids;
pub mod interaction;
pub mod lease;
pub mod mirrors;
pub mod modules;
pub mod opening;
pub mod policy;
pub mod prepare;
pub mod report;
pub mod run;
pub mod schedule;
pub mod sequence;
pub mod site;
pub mod timeslot;
pub mod wakeup;
