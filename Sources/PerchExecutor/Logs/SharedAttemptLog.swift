// SPDX-License-Identifier: Apache-2.0

package import Logging
package import PerchBundle
package import PerchMetastore
package import PerchReactor
package import PerchSDK
internal import Synchronization

/// The logs of attempts where workers have homes of their own: files of the home, and what others read, in the metastore.
///
/// Nobody waits for the metastore. What a try says goes there about once a second; the last of it is given to the metastore
/// before the end of its dispatch is, unless other lines are on their way: so who sees the end mostly finds a log that is whole,
/// and else a moment later.
package final class SharedAttemptLog: AttemptLog {
    private let local: AttemptLogStore
    private let metastore: Metastore
    private let reactor: any Reactor
    /// This machine and its home.
    private let origin: String
    private let archive: LogArchive?
    private let logger: Logger
    /// How long a flush waits for logs that have ended.
    private let patience: TimeSpan
    private let state: Mutex<State>

    private struct State {
        var queue: LogQueue
        var isArmed = false
        var isSending = false
        var failures = 0
        /// Nothing is tried twice: somebody waits for the end.
        var isFlushing = false
        /// Who waits before it sends again.
        var pause: CheckedContinuation<Void, Never>?
        var waiters: [CheckedContinuation<Void, Never>] = []
        /// What is to be done with logs that have ended, and the piece behind which it is.
        var chores: [(after: Int64, chore: Chore)] = []
        var isAtChores = false
        /// More logs have ended than wait: that was said.
        var isOverfull = false
        /// How often was flushed, and whether that waits for the chores no more.
        var flushes = 0
        var hasGivenUp = false
        /// The last piece that is stored, or given up.
        var stored: Int64 = 0

        /// Whether somebody has to begin to send; who asks does it.
        mutating func mustSend() -> Bool {
            guard !isSending, !queue.pieces.isEmpty else { return false }
            isSending = true
            return true
        }

        var isIdle: Bool {
            queue.isEmpty && !isSending && (hasGivenUp || !isAtChores && chores.isEmpty)
        }

        mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
            guard isIdle else { return [] }
            defer { waiters = [] }
            isFlushing = false
            return waiters
        }
    }

    private struct Chore {
        var logged: LoggedTry
        var worker: Int64
        var archives: Bool
    }

    /// From the first line to its way, in microseconds: what others say meanwhile goes with it.
    private static let delay: Int64 = 100_000
    /// So many rows a log may have without being made fewer.
    private static let fewRows = 4
    /// So many logs wait for the archive; more stay where they are.
    private static let mostChores = 10_000

    private func tellOfTooMany() {
        logger.warning(
            "more logs have ended than can be moved or tidied; those beyond it stay as they are in the metastore",
            metadata: ["waiting": "\(Self.mostChores)"])
    }

    /// - Parameters:
    ///   - local: The files of the home.
    ///   - reactor: That of the executor.
    ///   - origin: What others are told of where the home is.
    ///   - archive: Where logs go that have ended; nil: they stay in the metastore.
    ///   - most: What waits for the metastore at most, in bytes.
    ///   - patience: How long a flush waits for logs that have ended to be moved or tidied.
    package init(
        local: AttemptLogStore, metastore: Metastore, reactor: any Reactor, origin: String, archive: LogArchive?,
        logger: Logger, most: Int = 16 << 20, patience: TimeSpan = .seconds(5)
    ) {
        self.local = local
        self.metastore = metastore
        self.reactor = reactor
        self.origin = origin
        self.archive = archive
        self.logger = logger
        self.patience = patience
        state = Mutex(State(queue: LogQueue(most: most)))
    }

    // MARK: AttemptLog

    package func append(_ lines: [LogLine], to key: TaskInstanceKey, tryNumber: Int, worth: LogWorth) {
        local.append(lines, to: key, tryNumber: tryNumber, worth: worth)
    }

    package func append(_ lines: [LogLine], to logged: LoggedTry, by worker: Int64, worth: LogWorth) {
        guard !lines.isEmpty else { return }
        local.append(lines, to: logged.key, tryNumber: logged.log.tryNumber, worth: worth)
        let text = AttemptLogStore.bytes(of: lines)
        let past: [UInt8]? =
            switch worth {
            case .ifThere: nil
            case .always(let past): AttemptLogStore.bytes(of: past)
            }
        let mustArm = state.withLock { state in
            state.queue.add(text, past: past, lines: lines.count, to: logged.log, writer: worker)
            defer { state.isArmed = true }
            return !state.isArmed
        }
        if mustArm { arm(after: Self.delay) }
    }

    package func ended(_ logged: LoggedTry, by worker: Int64, isOver: Bool) {
        let (mustSend, isTooMuch) = state.withLock { state in
            let count = state.queue.end(logged.log)
            let archives = isOver && archive != nil && (count > 0 || logged.hasPast)
            var isTooMuch = false
            if archives || count > Self.fewRows {
                if state.chores.count < Self.mostChores {
                    let chore = Chore(logged: logged, worker: worker, archives: archives)
                    state.chores.append((state.queue.lastPosition, chore))
                    state.isOverfull = false
                } else {
                    isTooMuch = !state.isOverfull
                    state.isOverfull = true
                }
            }
            return (state.mustSend(), isTooMuch)
        }
        if isTooMuch { tellOfTooMany() }
        if mustSend { send() } else { lookForChores() }
    }

    package var hearsEnds: Bool { true }

    package func flush() async {
        await local.flush()
        await withCheckedContinuation { waiter in
            let (mustSend, pause, number) = state.withLock { state in
                state.isFlushing = true
                state.flushes += 1
                state.hasGivenUp = false
                state.waiters.append(waiter)
                state.queue.freeze(at: 0, all: true)
                defer { state.pause = nil }
                return (state.mustSend(), state.pause, state.flushes)
            }
            pause?.resume()
            if mustSend { send() }
            lookForChores()
            reactor.submit { [self] in
                let loop = reactor.loop
                _ = loop.schedule(at: loop.now + patience.microseconds) { [self] in giveUpChores(ofFlush: number) }
            }
            wakeWaiters()
        }
    }

    /// A directory that does not answer holds nobody up for longer: what is left stays where it is until a worker looks for it.
    private func giveUpChores(ofFlush number: Int) {
        let left = state.withLock { state in
            guard state.isFlushing, state.flushes == number, state.isAtChores else { return 0 }
            defer { state.chores = [] }
            state.hasGivenUp = true
            return state.chores.count + 1
        }
        guard left > 0 else { return }
        logger.warning(
            "logs that have ended stay as they are in the metastore, for moving or tidying them takes too long",
            metadata: ["logs": "\(left)"])
        wakeWaiters()
    }

    // MARK: Sending

    private func arm(after microseconds: Int64) {
        reactor.submit { [self] in
            let loop = reactor.loop
            _ = loop.schedule(at: loop.now + microseconds) { [self] in tick(at: reactor.loop.now) }
        }
    }

    private func tick(at now: Int64) {
        let (mustSend, next) = state.withLock { state in
            state.queue.freeze(at: now)
            let next = state.queue.nextDue(after: now)
            state.isArmed = next != nil
            return (state.mustSend(), next)
        }
        if let next { arm(after: max(next - now, Self.delay)) }
        if mustSend { send() }
    }

    /// Nothing else is waiting for it, so it is no part of what the executor does next.
    private func send() {
        Task(executorPreference: reactor) { await self.sendAll() }
    }

    private func sendAll() async {
        while true {
            let batch = state.withLock { state in
                let batch = state.queue.batch
                if batch.isEmpty { state.isSending = false }
                return batch
            }
            guard let last = batch.last else { break }
            do {
                let origin = origin
                try await metastore.write { try $0.appendLogs(batch, origin: origin) }
                stored(batch.count, last.position)
            } catch {
                await failed(batch.count, last.position, error)
            }
            lookForChores()
        }
        lookForChores()
        wakeWaiters()
    }

    private func stored(_ count: Int, _ position: Int64) {
        let failures = state.withLock { state in
            state.queue.remove(count)
            state.stored = position
            defer { state.failures = 0 }
            return state.failures
        }
        if failures > 0 { logger.notice("the logs of attempts are sent again") }
    }

    /// So often a batch is tried that is refused for another reason than that nobody is there.
    private static let mostRefusals = 5

    private func failed(_ count: Int, _ position: Int64, _ error: any Error) async {
        let isAway = (error as? PerchError)?.code == .unavailable
        let (failures, isGivenUp) = state.withLock { state in
            state.failures += 1
            let isGivenUp = state.isFlushing || (!isAway && state.failures >= Self.mostRefusals)
            if state.isFlushing {
                state.queue.removeAll()
                state.stored = state.queue.lastPosition
                state.chores = []
            } else if isGivenUp {
                state.queue.remove(count)
                state.stored = position
            }
            return (state.failures, isGivenUp)
        }
        if failures == 1 || isGivenUp {
            logger.warning(
                isGivenUp
                    ? "lines of attempts' logs are in the files of this home alone"
                    : "the logs of attempts wait for the metastore",
                metadata: ["error": "\(error)"])
        }
        if isGivenUp { return }
        let seconds = Int64(1) << Int64(min(failures - 1, 5))
        await withCheckedContinuation { continuation in
            let isRefused = state.withLock { state in
                if !state.isFlushing { state.pause = continuation }
                return state.isFlushing
            }
            if isRefused { return continuation.resume() }
            reactor.submit { [self] in
                let loop = reactor.loop
                _ = loop.schedule(at: loop.now + seconds * 1_000_000) { [self] in wakePause() }
            }
        }
    }

    private func wakePause() {
        let pause = state.withLock { state in
            defer { state.pause = nil }
            return state.pause
        }
        pause?.resume()
    }

    private func wakeWaiters() {
        for waiter in state.withLock({ $0.takeWaiters() }) { waiter.resume() }
    }

    // MARK: Logs that have ended

    private func lookForChores() {
        let mustBegin = state.withLock { state in
            guard !state.isAtChores, let first = state.chores.first, first.after <= state.stored else { return false }
            state.isAtChores = true
            return true
        }
        if mustBegin { Task(executorPreference: reactor) { await self.doChores() } }
    }

    private func doChores() async {
        while true {
            let next = state.withLock { state in
                guard let first = state.chores.first, first.after <= state.stored else {
                    state.isAtChores = false
                    return nil as Chore?
                }
                state.chores.removeFirst()
                return first.chore
            }
            guard let next else { break }
            do {
                try await carryOut(next)
            } catch {
                logger.warning(
                    "a log stays as it is in the metastore",
                    metadata: ["task": "\(next.logged.key)", "error": "\(error)"])
            }
        }
        wakeWaiters()
    }

    // MARK: Logs that were left behind

    /// How long a try is over before its log is taken for one that nobody moves, when it is looked first, and how often.
    static let leftFor = TimeSpan.seconds(300)
    private static let firstLook = TimeSpan.seconds(10)
    private static let looks = TimeSpan.seconds(3_600)
    /// So many are found at a time.
    private static let mostFound = 1_000

    package func began(by worker: Int64) {
        if archive != nil { planLook(after: Self.firstLook, behind: nil, by: worker) }
    }

    private func planLook(after span: TimeSpan, behind last: LogID?, by worker: Int64) {
        reactor.submit { [self] in
            _ = reactor.loop.schedule(at: reactor.loop.now + span.microseconds) { [self] in
                Task(executorPreference: reactor) { await self.lookForLeft(behind: last, by: worker) }
            }
        }
    }

    private func lookForLeft(behind last: LogID?, by worker: Int64) async {
        do {
            let found = try await takeLeft(behind: last, by: worker)
            let isMore = found.count == Self.mostFound
            planLook(after: isMore ? .seconds(60) : Self.looks, behind: isMore ? found.last?.log : nil, by: worker)
        } catch {
            logger.warning("logs that were left behind could not be looked for", metadata: ["error": "\(error)"])
            planLook(after: Self.looks, behind: nil, by: worker)
        }
    }

    /// Has logs moved whose workers died before they did it, or that ended without one. Gives those of one look.
    @discardableResult
    func takeLeft(
        for span: TimeSpan = SharedAttemptLog.leftFor, behind last: LogID? = nil, by worker: Int64
    ) async throws -> [LeftLog] {
        let found = try await metastore.read { snapshot in
            let before = snapshot.now + TimeSpan(microseconds: -span.microseconds)
            return try snapshot.leftLogs(endedBefore: before, after: last, limit: Self.mostFound)
        }
        state.withLock { state in
            for left in found where state.chores.count < Self.mostChores {
                let chore = Chore(logged: LoggedTry(log: left.log, key: left.key), worker: worker, archives: true)
                state.chores.append((state.queue.lastPosition, chore))
            }
        }
        lookForChores()
        return found
    }

    private func carryOut(_ chore: Chore) async throws {
        if chore.archives, let archive {
            return try await archive.take(chore.logged, from: metastore, as: chore.worker)
        }
        let log = chore.logged.log
        while try await metastore.write({ try $0.tidyLog(log) }) {}
    }
}
