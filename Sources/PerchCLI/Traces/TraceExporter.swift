// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchMetastore
internal import PerchOperators
internal import PerchReactor
internal import PerchSDK
internal import Synchronization

/// Tells a collector of what has ended, as OTLP over HTTP. It never holds anybody up: what ends is put into a line with a bound,
/// and what does not fit is counted and dropped. One batch is under way at a time, and what comes meanwhile is the next one;
/// one that fails is not sent again, and after it nothing is tried for a while.
final class TraceExporter: Sendable {
    /// What became of spans.
    enum Result: String, Sendable {
        case sent
        /// There was no room in the line.
        case full
        /// The collector did not take them, or was not asked because it did not take others.
        case failed
    }

    private struct State: Sendable {
        var metastore: Metastore?
        var waiting: [TracedEnd] = []
        var sending: Task<Void, Never>?
        /// Microseconds of a clock that only goes forward.
        var pausedUntil: Int64 = 0
        /// How many batches in a row have failed.
        var failures = 0
        /// Whether it was said that spans are dropped, and not yet that they are sent again.
        var hasComplained = false
    }

    private let settings: TraceSettings
    private let log: Logger?
    private let count: @Sendable (Int, Result) -> Void
    private let state = Mutex(State())
    /// How many ends wait at most.
    private let room: Int
    private static let largestBatch = 512
    /// How long a collector may take.
    private static let patience = Duration.seconds(5)
    private static let longestPause: Int64 = 60

    /// - Parameter count: Is told what became of so many spans; from any thread.
    init(
        _ settings: TraceSettings, log: Logger?, room: Int = 8_192, count: @escaping @Sendable (Int, Result) -> Void
    ) {
        self.settings = settings
        self.log = log
        self.room = room
        self.count = count
    }

    /// What has ended has its names in this metastore. Before that it waits.
    func begin(_ metastore: Metastore) {
        state.withLock { state in
            state.metastore = metastore
            goOn(&state)
        }
    }

    /// These have ended. Returns at once.
    func take(_ ends: [TracedEnd]) {
        let (dropped, complaint) = state.withLock { state -> (Int, Bool) in
            let taken = min(ends.count, max(0, room - state.waiting.count))
            state.waiting += ends[..<taken]
            goOn(&state)
            let dropped = ends.count - taken
            let isNew = dropped > 0 && !state.hasComplained
            if isNew { state.hasComplained = true }
            return (dropped, isNew)
        }
        if dropped > 0 { count(dropped, .full) }
        if complaint { complain("more end than the collector takes") }
    }

    /// Returns when everything that waits now has been tried once.
    func flush() async {
        for _ in 0..<(room / Self.largestBatch + 2) {
            guard let sending = state.withLock({ $0.sending }) else { return }
            await sending.value
        }
    }

    private func goOn(_ state: inout State) {
        guard state.sending == nil, !state.waiting.isEmpty, let metastore = state.metastore else { return }
        state.sending = Task { await self.send(from: metastore) }
    }

    private func send(from metastore: Metastore) async {
        let (batch, isPaused) = state.withLock { state in
            let batch = Array(state.waiting.prefix(Self.largestBatch))
            state.waiting.removeFirst(batch.count)
            return (batch, ThreadReactor.monotonicClock() < state.pausedUntil)
        }
        if isPaused {
            count(batch.count, .failed)
            return ended(nil)
        }
        do {
            let work = try await metastore.read { try $0.traced(batch) }.filter(\.run.trace.isSampled)
            guard !work.isEmpty else { return ended(nil) }
            var request = HTTPOperator(settings.url)
            request.method = "POST"
            request.headers = settings.headers
            request.body = SpanText.request(work, resource: settings.resource)
            request.timeout = Self.patience
            request.maximumBodySize = 1 << 20
            let answer = try await HTTPExchange(request, name: "the collector", followsRedirects: false).run()
            guard (200..<300).contains(answer.status) else {
                count(work.count, .failed)
                return ended("it answers \(answer.status)")
            }
            count(work.count, .sent)
            ended(nil, hasSent: true)
        } catch {
            count(batch.count, .failed)
            ended("\(error)")
        }
    }

    /// A batch is over; what waits goes on.
    private func ended(_ problem: String?, hasSent: Bool = false) {
        let (isNew, isBack) = state.withLock { state -> (Bool, Bool) in
            var (isNew, isBack) = (false, false)
            if problem != nil {
                let pause = min(Self.longestPause, Int64(1) << min(6, state.failures))
                state.failures += 1
                state.pausedUntil = ThreadReactor.monotonicClock() + pause * 1_000_000
                isNew = !state.hasComplained
                state.hasComplained = true
            } else if hasSent {
                state.failures = 0
                isBack = state.hasComplained
                state.hasComplained = false
            }
            state.sending = nil
            goOn(&state)
            return (isNew, isBack)
        }
        if let problem, isNew { complain(problem) }
        if isBack { log?.info("spans are taken again") }
    }

    private func complain(_ problem: String) {
        log?.warning(
            "spans are dropped, which perch_spans_total counts", metadata: ["error": "\(problem.shown(200))"])
    }
}
