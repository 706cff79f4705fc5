//! Two ends, a network between them that misbehaves, and time that is not real.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::channel::Channel;
use crate::port::PortSession;
use crate::session::Session;

/// What the simulated network needs of a machine.
pub(crate) trait End {
    fn connected(&mut self, now: Duration);
    fn disconnected(&mut self);
    fn message(&mut self, frame: &Bytes, now: Duration);
    fn timeout(&mut self, now: Duration);
    fn transmit(&mut self, now: Duration) -> Option<Bytes>;
    fn next_timeout(&self) -> Option<Duration>;
}

impl End for Channel {
    fn connected(&mut self, _now: Duration) {
        self.handle_connected();
    }
    fn disconnected(&mut self) {
        self.handle_disconnected();
    }
    fn message(&mut self, frame: &Bytes, now: Duration) {
        self.handle_message(frame, now);
    }
    fn timeout(&mut self, now: Duration) {
        self.handle_timeout(now);
    }
    fn transmit(&mut self, now: Duration) -> Option<Bytes> {
        self.poll_transmit(now)
    }
    fn next_timeout(&self) -> Option<Duration> {
        self.poll_timeout()
    }
}

macro_rules! end_as_named {
    ($machine:ty) => {
        impl End for $machine {
            fn connected(&mut self, now: Duration) {
                self.handle_connected(now);
            }
            fn disconnected(&mut self) {
                self.handle_disconnected();
            }
            fn message(&mut self, frame: &Bytes, now: Duration) {
                self.handle_message(frame, now);
            }
            fn timeout(&mut self, now: Duration) {
                self.handle_timeout(now);
            }
            fn transmit(&mut self, now: Duration) -> Option<Bytes> {
                self.poll_transmit(now)
            }
            fn next_timeout(&self) -> Option<Duration> {
                self.poll_timeout()
            }
        }
    };
}

end_as_named!(Session);
end_as_named!(PortSession);

/// How bad the network is. Chances are in percent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) loss: u64,
    pub(crate) duplication: u64,
    /// Frames arrive after 1 to this many milliseconds, in any order.
    pub(crate) jitter_ms: u64,
    /// Chance, each time something is delivered, in ten thousandths, that the
    /// connection of one end breaks for a while.
    pub(crate) cuts: u64,
}

pub(crate) const FAIR: Weather = Weather {
    loss: 0,
    duplication: 0,
    jitter_ms: 1,
    cuts: 0,
};

/// Small, fast, good enough to shake a network with.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit.max(1)
    }
}

/// Both ends and everything on its way between them.
pub(crate) struct Network<E> {
    pub(crate) client: E,
    pub(crate) agent: E,
    pub(crate) now: Duration,
    pub(crate) delivered: u64,
    weather: Weather,
    pub(crate) dice: Dice,
    /// By arrival and a tie-breaker: whether it is for the client, the frame.
    under_way: BTreeMap<(Duration, u64), (bool, Bytes)>,
    /// Bytes a millisecond each way, if the line is narrow, and until when it is busy.
    pub(crate) line: Option<u64>,
    busy_until: [Duration; 2],
    /// When each end's connection comes back: client, agent.
    absent: [Option<Duration>; 2],
    count: u64,
}

impl<E: End> Network<E> {
    pub(crate) fn new(mut client: E, mut agent: E, weather: Weather, seed: u64) -> Self {
        client.connected(Duration::ZERO);
        agent.connected(Duration::ZERO);
        Self {
            client,
            agent,
            now: Duration::ZERO,
            delivered: 0,
            weather,
            dice: Dice::new(seed),
            under_way: BTreeMap::new(),
            line: None,
            busy_until: [Duration::ZERO; 2],
            absent: [None, None],
            count: 0,
        }
    }

    /// Collects what both ends send, then lets time run to the next thing that happens.
    ///
    /// False when nothing ever will.
    pub(crate) fn step(&mut self) -> bool {
        self.collect();
        let Some(next) = self.next_at() else {
            return false;
        };
        self.now = self.now.max(next);
        self.return_absent();
        self.deliver();
        self.client.timeout(self.now);
        self.agent.timeout(self.now);
        true
    }

    /// As [`Network::step`], but lets at most so much time pass: programs may have
    /// something to do before the next thing happens.
    pub(crate) fn tick(&mut self, most: Duration) {
        self.collect();
        let until = self.now + most;
        if self.next_at().is_some_and(|next| next <= until) {
            self.step();
        } else {
            self.now = until;
        }
    }

    /// Lets everything happen that happens within the next seconds.
    pub(crate) fn settle(&mut self) {
        let until = self.now + Duration::from_secs(5);
        self.collect();
        while self.next_at().is_some_and(|next| next < until) {
            self.step();
        }
    }

    fn next_at(&self) -> Option<Duration> {
        let frames = self.under_way.first_key_value().map(|((at, _), _)| *at);
        let timeouts = [self.client.next_timeout(), self.agent.next_timeout()];
        frames
            .into_iter()
            .chain(timeouts.into_iter().chain(self.absent).flatten())
            .min()
    }

    /// Breaks the connection of one end; frames on their way to and from it are lost.
    pub(crate) fn cut(&mut self, is_client: bool, downtime: Duration) {
        let index = usize::from(!is_client);
        if self.absent[index].is_none() {
            let end = if is_client {
                &mut self.client
            } else {
                &mut self.agent
            };
            end.disconnected();
            self.under_way.clear();
            self.absent[index] = Some(self.now + downtime);
        }
    }

    fn collect(&mut self) {
        for to_client in [true, false] {
            loop {
                let from = if to_client {
                    &mut self.agent
                } else {
                    &mut self.client
                };
                let Some(frame) = from.transmit(self.now) else {
                    break;
                };
                let copies = if self.dice.below(100) < self.weather.loss {
                    0
                } else if self.dice.below(100) < self.weather.duplication {
                    2
                } else {
                    1
                };
                for _ in 0..copies {
                    let mut delay =
                        Duration::from_millis(1 + self.dice.below(self.weather.jitter_ms));
                    if let Some(bytes_per_ms) = self.line {
                        let busy_until = &mut self.busy_until[usize::from(to_client)];
                        let micros = frame.len() as u64 * 1000 / bytes_per_ms;
                        *busy_until = self.now.max(*busy_until) + Duration::from_micros(micros);
                        delay += *busy_until - self.now;
                    }
                    self.count += 1;
                    let arrival = (self.now + delay, self.count);
                    self.under_way.insert(arrival, (to_client, frame.clone()));
                }
            }
        }
    }

    fn return_absent(&mut self) {
        for index in [0, 1] {
            if self.absent[index].is_some_and(|until| until <= self.now) {
                self.absent[index] = None;
                let end = if index == 0 {
                    &mut self.client
                } else {
                    &mut self.agent
                };
                end.connected(self.now);
            }
        }
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.under_way.first_entry()
            && entry.key().0 <= self.now
        {
            let (to_client, frame) = entry.remove();
            if self.dice.below(10_000) < self.weather.cuts {
                let is_client = self.dice.below(2) == 0;
                let downtime = Duration::from_millis(self.dice.below(5_000));
                self.cut(is_client, downtime);
            }
            // the service has nobody to hand it to
            if self.absent != [None, None] {
                continue;
            }
            self.delivered += 1;
            let to = if to_client {
                &mut self.client
            } else {
                &mut self.agent
            };
            to.message(&frame, self.now);
        }
    }
}
