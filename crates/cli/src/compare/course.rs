//! The course of a comparison: a first try of everybody, and then round after round, in each of which everybody has a turn.
//!
//! Rounds are interleaved and each has an order of its own, so that a slow minute of the machine befalls everybody alike. In each turn a
//! contestant is a new process, which bears all scenarios of a service. What was gathered stays, whenever it is interrupted.

use std::time::{Duration, Instant};

use rustix::param::clock_ticks_per_second;

use super::clock;
use super::contestant::Contestant;
use super::idle::idle;
use super::machine::Cores;
use super::measure::{Manner, measure};
use super::noise::{self, Usage};
use super::options::Options;
use super::progress::Progress;
use super::results::{Figure, Turn};
use super::server::Server;
use super::syscalls::Means;
use super::verdict::Gathered;
use crate::error::Error;
use crate::load::Times;
use crate::service::Service;

/// A comparison, as far as it has come.
#[derive(Debug)]
pub(super) struct Course<'a> {
    options: &'a Options,
    pub(super) cores: Cores,
    progress: Progress,
    began: Instant,
    /// Of each scenario, of each contestant.
    pub(super) gathered: Vec<Vec<Gathered>>,
    /// Of each contestant.
    pub(super) idle: Vec<Figure>,
    /// What a round has come to that may yet be repeated.
    current: Vec<Entry>,
    /// Of each round that counts, what others used of a processor.
    pub(super) noise: Vec<f64>,
    pub(super) repeated: usize,
    /// Whether there was no time for some of it.
    pub(super) is_cut: bool,
}

/// What a contestant's turn came to in a scenario.
#[derive(Debug)]
struct Entry {
    scenario: usize,
    contestant: usize,
    measured: Result<(Turn, Times), String>,
}

impl<'a> Course<'a> {
    pub(super) fn new(options: &'a Options) -> Self {
        let Options { contestants, scenarios, rounds, .. } = options;
        let empty = || contestants.iter().map(|_| Gathered::default()).collect();
        Self {
            options,
            cores: Cores::choose(),
            progress: Progress::of(contestants.len() * (1 + rounds * scenarios.len())),
            began: clock(),
            gathered: scenarios.iter().map(|_| empty()).collect(),
            idle: contestants.iter().map(|_| Figure::default()).collect(),
            current: Vec::new(),
            noise: Vec::new(),
            repeated: 0,
            is_cut: false,
        }
    }

    /// Runs all of it.
    ///
    /// # Errors
    ///
    /// When a contestant cannot take part at all.
    pub(super) async fn run(&mut self) -> Result<(), Error> {
        self.cores.keep_clear();
        self.try_all().await?;
        let mut longest = Duration::ZERO;
        let mut repeats_left = self.options.rounds;
        for round in 0..self.options.rounds {
            let rounds_left = self.options.rounds - round;
            if round > 0 && !self.has_time_for(longest) {
                self.is_cut = true;
                break;
            }
            for attempt in 0.. {
                let (began, before) = (clock(), Usage::read());
                self.round(round).await;
                longest = longest.max(clock().saturating_duration_since(began));
                let others = match (before, Usage::read()) {
                    (Ok(before), Ok(after)) => after.others_since(&before, clock_ticks_per_second()),
                    _ => 0.0,
                };
                let is_noisy = others > noise::LIMIT;
                let may_repeat = attempt < MOST_REPEATS && repeats_left > 0;
                let has_time = self.has_time_for(longest * u32::try_from(rounds_left).unwrap_or(u32::MAX));
                if !(is_noisy && may_repeat && has_time) {
                    self.keep(round, others, is_noisy);
                    break;
                }
                repeats_left -= 1;
                self.repeated += 1;
                for Entry { scenario, contestant, measured } in self.current.drain(..) {
                    self.gathered[scenario][contestant].let_go(measured);
                }
                self.progress.add(self.options.contestants.len() * self.options.scenarios.len());
                let share = others * 100.0;
                self.progress
                    .tell(&format!("round {} is repeated: others used {share:.0} % of a core", round + 1));
            }
        }
        Ok(())
    }

    /// Takes in what a round that was broken off has come to.
    pub(super) fn finish(&mut self) {
        self.progress.clear();
        self.merge();
    }

    fn merge(&mut self) {
        for Entry { scenario, contestant, measured } in self.current.drain(..) {
            self.gathered[scenario][contestant].keep(measured);
        }
    }

    /// Starts everybody once, with every service: who cannot take part is told now. Asks on the way what is the same in all rounds.
    async fn try_all(&mut self) -> Result<(), Error> {
        let means = Means::find().await;
        for (index, contestant) in self.options.contestants.iter().enumerate() {
            self.progress.step(|| format!("{}: memory and system calls", contestant.name));
            let refused = |why| Error::refused(format_args!("{} {why}", contestant.name));
            // A fresh one: after a load, what was needed for it may still be there.
            let first = self.options.scenarios[0];
            let server = self.start(contestant, first.service).await.map_err(refused)?;
            let (memory, share) = idle(&server, &first, &self.manner()).await;
            self.idle[index] = memory;
            self.gathered.iter_mut().for_each(|of_all| of_all[index].idle_cpu = share);
            server.stop().await;
            for service in self.services() {
                let server = self.start(contestant, service).await.map_err(refused)?;
                for scenario in self.of_service(service) {
                    self.gathered[scenario][index].system_calls = self.count(&means, &server, scenario).await;
                }
                server.stop().await;
            }
        }
        Ok(())
    }

    /// System calls, if there is time to count them: rounds come first.
    async fn count(&self, means: &Means, server: &Server, scenario: usize) -> Figure {
        let for_rounds = self.options.within.unwrap_or_default().mul_f64(SHARE_OF_ROUNDS);
        if self.has_time_for(for_rounds) {
            return means.count(server, &self.options.scenarios[scenario], &self.manner()).await;
        }
        Figure { missing: Some("there was no time for it".to_owned()), ..Figure::default() }
    }

    /// One turn of everybody.
    async fn round(&mut self, round: usize) {
        let mut order: Vec<_> = (0..self.options.contestants.len()).collect();
        for service in self.services() {
            fastrand::Rng::with_seed(round as u64).shuffle(&mut order);
            for &index in &order {
                if self.has_time_for(Duration::ZERO) {
                    self.turn(round, index, service).await;
                } else {
                    self.is_cut = true;
                }
            }
        }
    }

    /// A turn: a new process, and all scenarios of a service.
    async fn turn(&mut self, round: usize, index: usize, service: Service) {
        let contestant = &self.options.contestants[index];
        let mut server = self.start(contestant, service).await;
        for scenario in self.of_service(service) {
            if !self.has_time_for(Duration::ZERO) {
                self.is_cut = true;
                break;
            }
            self.progress.step(|| {
                let scenario = self.options.scenarios[scenario];
                format!("round {} of {}: {}, {scenario}", round + 1, self.options.rounds, contestant.name)
            });
            let measured = match &mut server {
                Ok(server) => measure(server, &self.options.scenarios[scenario], &self.manner()).await,
                Err(why) => Err(why.clone()),
            };
            if let Ok((turn, _)) = &measured {
                let Turn { messages, cpu, .. } = turn;
                tracing::info!(
                    "round {}: {}: {messages} messages, CPU {cpu:?} µs each",
                    round + 1,
                    contestant.name
                );
            }
            if let Err(why) = &measured {
                self.progress.tell(&format!("round {}: {} {why}", round + 1, contestant.name));
                // The next scenario is not to suffer from it.
                server = match server {
                    Ok(_) => self.start(contestant, service).await,
                    same @ Err(_) => same,
                };
            }
            let measured = measured.map(|(turn, times)| (Turn { round, ..turn }, times));
            self.current.push(Entry { scenario, contestant: index, measured });
        }
        if let Ok(server) = server {
            server.stop().await;
        }
    }

    /// The round counts.
    fn keep(&mut self, round: usize, others: f64, is_noisy: bool) {
        self.noise.push(others);
        let turns = self.current.iter().filter(|entry| entry.measured.is_ok()).count();
        let noisy =
            if is_noisy { format!("; others used {:.0} % of a core", others * 100.0) } else { String::new() };
        let rounds = self.options.rounds;
        self.progress.tell_round(&format!("round {} of {rounds}: {turns} measurements{noisy}", round + 1));
        self.merge();
    }

    async fn start(&self, contestant: &Contestant, service: Service) -> Result<Server, String> {
        Server::start(contestant, service, self.cores.server(), self.options.ready_within).await
    }

    fn manner(&self) -> Manner {
        let Options { warm_up, duration, .. } = *self.options;
        Manner { warm_up, duration, core: self.cores.generator() }
    }

    fn has_time_for(&self, time: Duration) -> bool {
        let elapsed = clock().saturating_duration_since(self.began);
        self.options.within.is_none_or(|within| elapsed + time <= within)
    }

    /// Those there are, each once.
    fn services(&self) -> Vec<Service> {
        let mut services: Vec<Service> = Vec::new();
        for scenario in &self.options.scenarios {
            if !services.contains(&scenario.service) {
                services.push(scenario.service);
            }
        }
        services
    }

    fn of_service(&self, service: Service) -> Vec<usize> {
        let scenarios = self.options.scenarios.iter().enumerate();
        scenarios.filter(|(_, scenario)| scenario.service == service).map(|(index, _)| index).collect()
    }
}

/// Of the time there is.
const SHARE_OF_ROUNDS: f64 = 0.7;

/// Of one round.
const MOST_REPEATS: usize = 2;
