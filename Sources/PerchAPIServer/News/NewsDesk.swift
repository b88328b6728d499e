// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import PerchMetastore
import PerchSDK
import Synchronization

/// Tells all who listen what has changed. It reads the metastore once for all of them; each has a place in what it has told last,
/// and nothing else of him is kept.
final class NewsDesk: Sendable {
    /// One who listens.
    struct Seat: Sendable, Hashable {
        fileprivate let number: Int
    }

    /// What one who listens is to do.
    enum Word {
        case send([UInt8])
        case wait
        case end
    }

    private struct State {
        var ring: NewsRing
        var pace = NewsPace()
        var picture = ChangePicture()
        var seats: Set<Int> = []
        var count = 0
        /// Who waits for something to be said.
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
        /// How often the time for a sign of life has come.
        var beats = 0
        var loop: (any EventLoop)?
        var timer: (at: Int64, scheduled: Scheduled<Void>)?
        var heart: Scheduled<Void>?
        var hasLooked = false
        var isFailing = false
    }

    private let state: Mutex<State>
    private let metastore: Metastore
    private let limits: APILimits
    private let log: Logger
    /// About so many bytes are sent at a time.
    private static let portion = 32 << 10

    init(metastore: Metastore, limits: APILimits, log: Logger) {
        self.metastore = metastore
        self.limits = limits
        self.log = log
        let epoch = String(UInt64(bitPattern: metastore.clock.now.microseconds), radix: 36)
        state = Mutex(State(ring: NewsRing(epoch: epoch)))
        metastore.doorbells.subscribe([
            .runs, .queue, .cancels, .waits, .finished, .owners, .hosted, .bundles, .bundleQueues,
        ]) {
            [weak self] _ in self?.rung()
        }
    }

    // MARK: listeners

    /// Takes a listener in, whose connection lives on `loop`.
    /// - Throws: `Refusal` (503) where there are as many as may be.
    func join(on loop: any EventLoop) throws(Refusal) -> Seat {
        let seat: Seat? = state.withLock { state in
            guard state.seats.count < limits.streams else { return nil }
            state.count += 1
            state.seats.insert(state.count)
            state.pace.join()
            state.loop = loop
            if state.heart == nil { state.heart = beatLater(on: loop) }
            return Seat(number: state.count)
        }
        guard let seat else {
            throw .unavailable(
                "\(limits.streams) connections listen already, and that is as many as api.streams says", after: 10)
        }
        proceed()
        return seat
    }

    /// He listens no more. Said again it does nothing.
    func leave(_ seat: Seat) {
        let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.seats.remove(seat.number) != nil else { return nil }
            state.pace.leave()
            if state.seats.isEmpty {
                state.heart?.cancel()
                state.heart = nil
                state.timer?.scheduled.cancel()
                state.timer = nil
            }
            return state.waiting.removeValue(forKey: seat.number)
        }
        waiting?.resume()
    }

    /// Returns when it is known how things stand, so that every change behind that is told; or when he listens no more.
    func begin(_ seat: Seat) async {
        while state.withLock({ $0.seats.contains(seat.number) && !$0.hasLooked }) {
            await wait(seat) { !$0.hasLooked }
        }
    }

    /// How a stream begins: where it goes on after an id that was heard last, or that it cannot.
    func opening(_ id: String?) -> (place: Int64, text: [UInt8]) {
        state.withLock { state in
            guard let id else { return (state.ring.next, Self.event("ready", state.ring.id(state.ring.next))) }
            guard let place = state.ring.place(id), case .news = state.ring.read(from: place, NewsFilter(), bytes: 1)
            else { return (state.ring.next, Self.event("reset", state.ring.id(state.ring.next))) }
            return (place, Self.event("ready", id))
        }
    }

    /// What is there for one who listens, whose place it moves on.
    func next(_ seat: Seat, _ filter: NewsFilter, _ place: inout Int64, beat: inout Int) -> Word {
        let from = place
        let told = beat
        let (word, next, beats): (Word, Int64, Int) = state.withLock { state in
            guard state.seats.contains(seat.number) else { return (.end, from, told) }
            switch state.ring.read(from: from, filter, bytes: Self.portion) {
            case .lost(let next): return (.send(Self.event("reset", state.ring.id(next))), next, state.beats)
            case .news(let bytes, let next):
                guard bytes.isEmpty else { return (.send(bytes), next, state.beats) }
                guard state.beats == told else {
                    return (.send(Array(":\nid: \(state.ring.id(next))\n\n".utf8)), next, state.beats)
                }
                return (.wait, next, told)
            }
        }
        (place, beat) = (next, beats)
        return word
    }

    /// How often signs of life were due by now.
    var beats: Int { state.withLock { $0.beats } }

    /// Returns when there may be something for one who listens.
    func wait(_ seat: Seat, at place: Int64, beat: Int) async {
        await wait(seat) { $0.ring.next == place && $0.beats == beat }
    }

    /// Returns when something is said, or at once where he listens no more, or there is nothing to wait for.
    private func wait(_ seat: Seat, while mustWait: (borrowing State) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                guard state.seats.contains(seat.number), mustWait(state) else { return true }
                state.waiting[seat.number] = continuation
                return false
            }
            if isReady { continuation.resume() }
        }
    }

    private static func event(_ name: String, _ id: String) -> [UInt8] {
        Array("id: \(id)\nevent: \(name)\ndata: {}\n\n".utf8)
    }

    // MARK: the metastore

    private func rung() {
        if state.withLock({ $0.pace.ring() }) { proceed() }
    }

    private func proceed() {
        let now = Self.uptime
        let mustLook = state.withLock { state -> Bool in
            switch state.pace.next(at: now) {
            case .rest: return false
            case .look:
                state.timer?.scheduled.cancel()
                state.timer = nil
                return true
            case .wait(let until):
                if let timer = state.timer {
                    guard until < timer.at else { return false }
                    timer.scheduled.cancel()
                }
                state.timer = state.loop.map { loop in
                    let scheduled = loop.scheduleTask(in: .microseconds(max(0, until - now))) { [weak self] in
                        guard let self else { return }
                        self.state.withLock { $0.timer = nil }
                        self.proceed()
                    }
                    return (until, scheduled)
                }
                return false
            }
        }
        guard mustLook else { return }
        Task { await look() }
    }

    private func look() async {
        let before = state.withLock { $0.picture }
        let result: Result<(ChangePicture, [Change]), any Error>
        do {
            result = .success(
                try await metastore.read { snapshot in
                    var picture = before
                    let changes = try picture.look(snapshot)
                    return (picture, changes)
                })
        } catch {
            result = .failure(error)
        }
        let (waiting, fault) = state.withLock { state -> ([CheckedContinuation<Void, Never>], (any Error)?) in
            state.pace.looked(at: Self.uptime)
            switch result {
            case .success(let (picture, changes)):
                state.picture = picture
                state.isFailing = false
                for change in changes { state.ring.add(change) }
                guard !changes.isEmpty || !state.hasLooked else { return ([], nil) }
                state.hasLooked = true
                defer { state.waiting = [:] }
                return (Array(state.waiting.values), nil)
            case .failure(let error):
                defer { state.isFailing = true }
                return ([], state.isFailing ? nil : error)
            }
        }
        if let fault { log.error("news could not be read", metadata: ["error": "\(fault)"]) }
        for continuation in waiting { continuation.resume() }
        proceed()
    }

    // MARK: time

    private func beatLater(on loop: any EventLoop) -> Scheduled<Void> {
        loop.scheduleTask(in: .microseconds(limits.heartbeatTime.microseconds)) { [weak self] in
            guard let self else { return }
            let waiting = self.state.withLock { state in
                state.beats += 1
                state.heart = state.seats.isEmpty ? nil : self.beatLater(on: loop)
                defer { state.waiting = [:] }
                return Array(state.waiting.values)
            }
            for continuation in waiting { continuation.resume() }
        }
    }

    private static var uptime: Int64 { Int64(NIODeadline.now().uptimeNanoseconds / 1_000) }
}
