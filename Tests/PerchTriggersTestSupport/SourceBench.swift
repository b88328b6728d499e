// SPDX-License-Identifier: Apache-2.0

public import PerchReactor
public import PerchSDK
internal import Synchronization

/// A source on a real reactor, with what it has reported, for tests. Everything is waited for with a bound.
public final class SourceBench<Source: TriggerSource & SendableMetatype>: Sendable {
    public let reactor: ThreadReactor
    // Touched on the reactor's thread alone: every access goes through `on` or a callback of the loop.
    private nonisolated(unsafe) var source: Source?
    private let record = Mutex(Record())

    private struct Record {
        var reports: [SourceReport] = []
        var waiting: [Waiting] = []
        var isCheckScheduled = false
    }

    private struct Waiting {
        var condition: @Sendable ([SourceReport]) -> Bool
        var end: @Sendable (Bool) -> Void
    }

    /// Starts a reactor and makes the source on it.
    public init(
        now: @escaping @Sendable () -> Int64 = ThreadReactor.wallClock, machineTime: (@Sendable () -> Int64)? = nil,
        _ make: @escaping @Sendable (any EventLoop, @escaping (SourceReport) -> Void) throws -> Source
    ) async throws {
        reactor = try ThreadReactor(name: "source-test", now: now, machineTime: machineTime, seed: 1)
        reactor.start()
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            reactor.submit {
                continuation.resume(
                    with: Result {
                        self.source = try make(self.reactor.loop) { [unowned self] in take($0) }
                    })
            }
        }
    }

    private func take(_ report: SourceReport) {
        let mustCheck = record.withLock { record in
            record.reports.append(report)
            defer { record.isCheckScheduled = true }
            return !record.isCheckScheduled && !record.waiting.isEmpty
        }
        if mustCheck { reactor.loop.enqueue { [self] in check() } }
    }

    /// Once a turn, so that ten thousand reports are not ten thousand searches.
    private func check() {
        let ended = record.withLock { record in
            record.isCheckScheduled = false
            let ended = record.waiting.filter { $0.condition(record.reports) }
            record.waiting.removeAll { $0.condition(record.reports) }
            return ended
        }
        for waiting in ended { waiting.end(true) }
    }

    /// Runs code with the source on the reactor's thread.
    public func on<T: Sendable>(_ body: @escaping @Sendable (Source, any EventLoop) throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            reactor.submit {
                guard let source = self.source else { return }
                continuation.resume(with: Result { try body(source, self.reactor.loop) })
            }
        }
    }

    /// Arms waits.
    public func add(_ waits: [ArmedWait]) async throws {
        try await on { source, _ in source.add(waits) }
    }

    /// Everything reported up to now.
    public var reports: [SourceReport] { record.withLock { $0.reports } }

    /// The waits that have fired, in the order of their reports.
    public var fired: [Int64] { Self.fired(reports) }

    /// The payload with which a wait has fired; nil while it has not.
    public func payload(of waitID: Int64) -> JSONValue? {
        for case .fired(waitID, let payload) in reports { return payload }
        return nil
    }

    /// Picks the fires out of reports.
    public static func fired(_ reports: [SourceReport]) -> [Int64] {
        reports.compactMap { if case .fired(let waitID, _) = $0 { waitID } else { nil } }
    }

    /// Waits until the reports meet a condition.
    /// - Throws: `PerchError` when that has not happened within `bound`.
    public func until(
        _ what: String, within bound: Duration = .seconds(20), _ condition: @escaping @Sendable ([SourceReport]) -> Bool
    ) async throws {
        let met: Bool = await withCheckedContinuation { continuation in
            reactor.submit { [self] in
                let once = Once(continuation)
                let loop = reactor.loop
                let deadline = loop.schedule(at: loop.now + TimeSpan(bound).microseconds) { once.end(false) }
                record.withLock { record in
                    record.waiting.append(
                        Waiting(condition: condition) { met in
                            self.reactor.loop.cancel(deadline)
                            once.end(met)
                        })
                }
                check()
            }
        }
        guard met else {
            throw PerchError(.unavailable, "not within \(bound): \(what); reports: \(reports.suffix(20))")
        }
    }

    /// Waits until so many waits have fired.
    public func untilFired(_ count: Int, within bound: Duration = .seconds(20)) async throws {
        try await until("\(count) fired", within: bound) { Self.fired($0).count >= count }
    }

    /// Looks at the source each two milliseconds until it is as wanted.
    public func untilSource(
        _ what: String, within bound: Duration = .seconds(20), _ condition: @escaping @Sendable (Source) -> Bool
    ) async throws {
        let deadline = ThreadReactor.wallClock() + TimeSpan(bound).microseconds
        while try await !on({ source, _ in condition(source) }) {
            guard ThreadReactor.wallClock() < deadline else {
                throw PerchError(.unavailable, "not within \(bound): \(what); reports: \(reports.suffix(20))")
            }
            try await pass(.milliseconds(2))
        }
    }

    /// Lets the loop run for a while: for showing that something does not happen meanwhile.
    public func pass(_ time: Duration) async throws {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            reactor.submit { [reactor] in
                // By the system's clock, whatever clock the source has.
                _ = reactor.loop.schedule(at: reactor.loop.now + TimeSpan(time).microseconds) { continuation.resume() }
            }
        }
    }

    /// Shuts the source down and ends the reactor.
    public func end() {
        reactor.submit {
            self.source?.shutDown()
            self.source = nil
        }
        reactor.stop()
    }
}

/// A continuation that is resumed once, by whoever comes first.
private final class Once: Sendable {
    private let continuation: Mutex<CheckedContinuation<Bool, Never>?>

    init(_ continuation: CheckedContinuation<Bool, Never>?) {
        self.continuation = Mutex(continuation)
    }

    func end(_ value: Bool) {
        let taken = continuation.withLock { continuation in
            defer { continuation = nil }
            return continuation
        }
        taken?.resume(returning: value)
    }
}
