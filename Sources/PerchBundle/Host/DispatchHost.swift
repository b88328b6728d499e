// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import PerchOutputs
package import PerchSDK
internal import Synchronization

/// Where the messages of a bundle leave.
package protocol BundleOutbox: Sendable {
    /// Sends a message after all that were sent before.
    ///
    /// - Parameter mayWait: Whether the caller may be held up while the engine is far behind.
    /// - Throws: `BundleProtocolError` where the message is too long for a frame; nothing is sent then.
    func send(_ message: BundleMessage, mayWait: Bool) throws(BundleProtocolError)
}

/// What a bundle does with the engine's messages: describes its DAGs, runs dispatches against their journals. It knows
/// no descriptor and no thread: `BundleHost` puts it into a process, a simulation into virtual time.
package final class DispatchHost: Sendable {
    let outbox: any BundleOutbox
    let clock: any PerchClock
    let executor: any TaskExecutor
    private let bundleVersion: String
    private let reading: (@Sendable () -> BundleContents)?
    private let sources: (@Sendable ([DAG]) -> [BundleSource])?
    private let pid: Int32
    private let generator: @Sendable () -> UInt64
    private let flushOutput: @Sendable () -> Void
    private let onDrained: @Sendable () -> Void
    let triggers: TriggerCatalog
    /// What its code was given, and must not be said.
    let mask = SecretMask()
    private let engineVersion = Atomic(0)
    private let triggerExecutor: TriggerExecutorFactory?
    private let attemptExecutor: AttemptExecutorFactory?
    private let outputs: OutputKeeping?

    /// Makes the place where the code of one trigger runs; it tells when that code holds its thread for too long.
    package typealias TriggerExecutorFactory =
        @Sendable (_ budget: TimeSpan, _ onHeld: @escaping @Sendable (TimeSpan) -> Void) -> any TaskExecutor

    /// Makes the place where the code of one attempt runs; it tells when that code holds its thread.
    package typealias AttemptExecutorFactory =
        @Sendable (_ onHeld: @escaping @Sendable (TimeSpan) -> Void) -> any TaskExecutor

    /// What there is to describe and to run.
    private struct Contents {
        var read: BundleContents
        var code: [String: [String: TaskCode]] = [:]
        var definitions: [String: AttemptDAG] = [:]

        init(_ read: BundleContents) {
            self.read = read
            for dag in read.dags {
                definitions[dag.definition.dagID] = AttemptDAG(dag.definition)
                for (task, body) in zip(dag.definition.tasks, dag.code) {
                    code[dag.definition.dagID, default: [:]][task.taskID] = body
                }
            }
        }
    }

    private let contents: Mutex<Contents>

    private struct State {
        var attempts: [Int64: JournaledAttempt] = [:]
        var hosted: [TriggerRun: HostedTrigger] = [:]
        /// Hosted triggers that do not sleep.
        var awake = 0
        var isDraining = false
    }

    private let state = Mutex(State())

    /// A host of DAGs.
    ///
    /// - Parameters:
    ///   - executor: Where the code of tasks runs.
    ///   - generator: What `context.random` and `context.uuid` draw from.
    ///   - triggers: The types of triggers that the bundle hosts, beside those of its sensors.
    ///   - outputs: Where outputs go that are too long for their rows; nil: they all go to the engine.
    ///   - triggerExecutor: Where their code runs; nil: where that of tasks does, unwatched.
    ///   - attemptExecutor: Where the code of an attempt runs; nil: on `executor`, unwatched.
    ///   - reading: Gives all that the bundle has, read from files; nil: it has `dags`, as long as it lives.
    ///   - sources: Gives the texts of the files that declare DAGs; nil: nobody is told them.
    ///   - flushOutput: Called before each message that ends a dispatch.
    ///   - onDrained: Called when the last dispatch has ended after a `drain`.
    package init(
        dags: [DAG], bundleVersion: String, pid: Int32, clock: any PerchClock, executor: any TaskExecutor,
        outbox: any BundleOutbox, generator: @escaping @Sendable () -> UInt64,
        triggers: [any AsyncTrigger.Type] = [], outputs: OutputKeeping? = nil,
        triggerExecutor: TriggerExecutorFactory? = nil, attemptExecutor: AttemptExecutorFactory? = nil,
        reading: (@Sendable () -> BundleContents)? = nil,
        sources: (@Sendable ([DAG]) -> [BundleSource])? = nil,
        flushOutput: @escaping @Sendable () -> Void = {},
        onDrained: @escaping @Sendable () -> Void = {}
    ) {
        contents = Mutex(Contents(reading?() ?? BundleContents(dags: dags, version: "")))
        self.reading = reading
        self.sources = sources
        self.bundleVersion = bundleVersion
        self.pid = pid
        self.clock = clock
        self.executor = executor
        self.outbox = outbox
        self.generator = generator
        self.triggers = TriggerCatalog(triggers, dags: dags)
        self.triggerExecutor = triggerExecutor
        self.attemptExecutor = attemptExecutor
        self.outputs = outputs
        self.flushOutput = flushOutput
        self.onDrained = onDrained
    }

    func randomBits() -> UInt64 { generator() }

    /// Whether the engine looks up connections and variables.
    var mayAskForSecrets: Bool { engineVersion.load(ordering: .relaxed) >= BundleProtocol.secretsVersion }

    /// Whether the engine wants to know what templates become.
    private var tellsTexts: Bool { engineVersion.load(ordering: .relaxed) >= BundleProtocol.textsVersion }

    /// Sends what is always short enough for a frame.
    func say(_ message: BundleMessage, mayWait: Bool = false) {
        do {
            try outbox.send(message, mayWait: mayWait)
        } catch {
            write(to: 2, "perch: a message to the engine was dropped: \(error)\n")
        }
    }

    /// Whether code runs in it.
    package var isBusy: Bool { state.withLock { !$0.attempts.isEmpty || $0.awake > 0 } }

    /// Whether all is done that was asked for before a `drain`.
    package var isDrained: Bool { state.withLock { $0.isDraining && $0.attempts.isEmpty } }

    /// Nobody hears this bundle any more: what runs is told that it counts for nothing.
    package func abandon() {
        let (attempts, hosted) = state.withLock { state in
            defer { state.attempts = [:] }
            return (state.attempts, state.hosted)
        }
        for (_, trigger) in hosted.sorted(by: { $0.key.waitID < $1.key.waitID }) { trigger.end() }
        for (_, attempt) in attempts.sorted(by: { $0.key < $1.key }) { attempt.refuse() }
    }

    // MARK: Messages

    /// Does what a message of the engine says.
    package func handle(_ message: EngineMessage) {
        switch message {
        case .hello(let newest, let oldest):
            greet(ProtocolVersions(newest: newest, oldest: oldest))
        case .describe:
            guard reading != nil || sources != nil else { return describe() }
            // Not here: who reads files hears no messages meanwhile.
            Task(executorPreference: executor) {
                if let reading = self.reading {
                    let read = Contents(reading())
                    self.contents.withLock { $0 = read }
                }
                self.describe()
            }
        case .tellTicks(let dagID, let after, let count):
            // Not here: a timetable is code like any other.
            Task(executorPreference: executor) { self.say(.ticks(self.ticks(of: dagID, after: after, count: count))) }
        case .run(let order):
            start(order)
        case .recorded(let dispatchID, let key):
            attempt(dispatchID)?.recorded(key)
        case .refused(let dispatchID):
            attempt(dispatchID)?.refuse()
        case .lookedUp(let answer):
            attempt(answer.dispatchID)?.lookUps.answered(answer)
        case .cancel(let dispatchID, let notice, let isLast):
            attempt(dispatchID)?.cancel(notice, isLast: isLast)
        case .hostTrigger(let order):
            host(order)
        case .triggerWoken(let run, let number), .triggerStored(let run, let number):
            state.withLock { $0.hosted[run] }?.answered(number)
        case .endTrigger(let run):
            state.withLock { $0.hosted[run] }?.end()
        case .clock(let offset):
            (clock as? UptimeClock)?.follow(offset: offset)
        case .drain:
            state.withLock { $0.isDraining = true }
        case .unknown(let type):
            write(to: 2, "perch: the engine did not understand '\(type)'\n")
        case .unrecognized(let type):
            say(.unknown(messageType: type))
        }
    }

    private func greet(_ engine: ProtocolVersions) {
        let spoken = BundleProtocol.spoken
        // The engine is told all the same: it knows what fits, and says so to those who read its log.
        if spoken.common(with: engine) == nil {
            write(to: 2, "perch: \(BundleProtocol.mismatch(bundle: spoken, engine: engine))\n")
        }
        engineVersion.store(engine.newest, ordering: .relaxed)
        say(
            .hello(
                protocolVersion: spoken.newest, bundleVersion: version, pid: pid, oldestVersion: spoken.oldest))
    }

    private func attempt(_ dispatchID: Int64) -> JournaledAttempt? {
        state.withLock { $0.attempts[dispatchID] }
    }

    /// Tells this state of the bundle from every other.
    private var version: String {
        let read = contents.withLock { $0.read.version }
        return read.isEmpty ? bundleVersion : "\(bundleVersion)-\(read)"
    }

    private func describe() {
        let (read, bundleVersion) = (contents.withLock { $0.read }, version)
        let dags = read.dags
        let problems = DAG.problems(in: dags).map(\.description) + triggers.problems
        tellSources(of: dags)
        var texts: [String] = []
        var size = 0
        for text in dags.map(\.definition.text) {
            size += text.utf8.count
            if size <= BundleProtocol.longestPiece {
                texts.append(text)
            } else {
                sendInPieces(text)
            }
        }
        let description = BundleDescription(
            bundleVersion: bundleVersion, dags: texts, problems: problems, importErrors: read.importErrors)
        do {
            try outbox.send(.described(description), mayWait: false)
        } catch {
            say(
                .described(
                    BundleDescription(
                        bundleVersion: bundleVersion, dags: [],
                        problems: ["the bundle's DAGs cannot be described: \(error)"])))
        }
    }

    private func tellSources(of dags: [DAG]) {
        guard let sources, tellsTexts else { return }
        for source in sources(dags) {
            for first in stride(from: 0, to: source.dagIDs.count, by: BundleSource.mostDAGs) {
                var part = source
                part.dagIDs = Array(source.dagIDs[first...].prefix(BundleSource.mostDAGs))
                say(.source(part))
            }
        }
    }

    /// A definition that makes the description too long for one frame goes ahead of it, piece by piece.
    private func sendInPieces(_ text: String) {
        var rest = text.utf8[...]
        while !rest.isEmpty {
            var end =
                rest.index(rest.startIndex, offsetBy: BundleProtocol.longestPiece, limitedBy: rest.endIndex)
                ?? rest.endIndex
            // A piece is a string of its own: it ends between two characters.
            while end < rest.endIndex, rest[end] & 0xC0 == 0x80 { end = rest.index(before: end) }
            let piece = String(decoding: rest[..<end], as: UTF8.self)
            rest = rest[end...]
            say(.definition(text: piece, isLast: rest.isEmpty))
        }
    }

    private func ticks(of dagID: String, after: Timestamp, count: Int) -> ToldTicks {
        let dag = contents.withLock { $0.read.dags.first { $0.definition.dagID == dagID } }
        guard let timetable = dag?.timetable else {
            return ToldTicks(
                dagID: dagID, after: after, problem: "this bundle has no timetable for the DAG '\(dagID.shown())'")
        }
        do {
            let told = try timetable.ticks(after: after, count: min(max(1, count), 10_000))
            return ToldTicks(dagID: dagID, after: after, ticks: told.ticks, isLast: told.isLast)
        } catch {
            return ToldTicks(dagID: dagID, after: after, problem: "\(error)".shown(1_000))
        }
    }

    // MARK: Hosting

    private func host(_ order: TriggerOrder) {
        let code: TriggerCode
        do throws(PerchError) {
            code = try triggers.code(kind: order.kind, definition: order.definition)
        } catch {
            let reason: TriggerNews.Reason = error.code == .notFound ? .unknown : .broken
            return say(.trigger(order.run, .failed(reason, message: error.message)))
        }
        let place = triggerExecutor?(order.budget) { [weak self] span in self?.say(.trigger(order.run, .held(span))) }
        let trigger = HostedTrigger(order: order, host: self, executor: place ?? executor)
        let isNew = state.withLock { state in
            guard state.hosted[order.run] == nil else { return false }
            state.hosted[order.run] = trigger
            return true
        }
        if isNew { trigger.start(code) }
    }

    func forget(_ trigger: HostedTrigger) {
        state.withLock { $0.hosted[trigger.run] = nil }
    }

    func count(awake change: Int) {
        state.withLock { $0.awake += change }
    }

    // MARK: Running

    /// Where the code of a dispatch runs.
    private func place(of dispatchID: Int64) -> any TaskExecutor {
        guard engineVersion.load(ordering: .relaxed) >= BundleProtocol.heldVersion, let attemptExecutor else {
            return executor
        }
        return attemptExecutor { [weak self] span in self?.say(.held(dispatchID: dispatchID, span)) }
    }

    private func start(_ order: RunOrder) {
        let (dagID, taskID) = (order.facts.dagID, order.facts.taskID)
        let (known, dag) = contents.withLock { ($0.code[dagID]?[taskID], $0.definitions[dagID]) }
        guard let code = known else {
            let message = "this bundle has no code for the task '\(taskID)' of the DAG '\(dagID)'"
            return say(.result(dispatchID: order.dispatchID, .failure(message: message, retryable: false)))
        }
        let attempt = JournaledAttempt(
            order: order, of: dag, fields: tellsTexts ? code.templateFields : [], host: self,
            executor: place(of: order.dispatchID))
        state.withLock { $0.attempts[order.dispatchID] = attempt }
        attempt.start {
            let result: Result<TaskOutput, any Error>
            do {
                let (inputs, element) = try self.given(order)
                if let element { attempt.read(element: element) }
                result = .success(try await code.run(TaskContext(runtime: attempt), inputs, element))
            } catch {
                result = .failure(error)
            }
            self.end(attempt, with: self.keeping(await attempt.conclude(result), of: order))
        }
    }

    /// The inputs and the element of a dispatch, with what does not travel read from where it lies.
    private func given(_ order: RunOrder) throws -> (inputs: [String], element: String?) {
        func value(_ text: String) throws -> String {
            guard let outputs, OutputText.isMarked(text) else { return text }
            return try outputs.store.value(of: text)
        }
        return (try order.inputs.map(value), try order.mapElement.map(value))
    }

    /// The last word of a dispatch, its output stored first where that is too long to travel.
    private func keeping(_ message: BundleMessage, of order: RunOrder) -> BundleMessage {
        guard let outputs, case .result(let dispatchID, .success(let output, let items)) = message else {
            return message
        }
        do {
            let kept = try outputs.kept(
                output, items: items, as: OutputPath.file(of: order.facts, dispatchID: dispatchID))
            return .result(dispatchID: dispatchID, .success(output: kept.output, items: kept.items))
        } catch {
            return .result(dispatchID: dispatchID, JournalReplay.outcome(of: error))
        }
    }

    private func end(_ attempt: JournaledAttempt, with message: BundleMessage) {
        flushOutput()
        do {
            try outbox.send(message, mayWait: false)
        } catch {
            let failure = AttemptOutcome.failure(message: "its output is too large: \(error)", retryable: false)
            say(.result(dispatchID: attempt.dispatchID, failure))
        }
        // Only now: a host that counted as drained before its last word could be closed before it.
        let isLast = state.withLock { state in
            guard state.attempts[attempt.dispatchID] === attempt else { return false }
            state.attempts[attempt.dispatchID] = nil
            return state.isDraining && state.attempts.isEmpty
        }
        if isLast { onDrained() }
    }
}
