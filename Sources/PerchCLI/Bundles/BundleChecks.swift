// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle
internal import PerchExecutor
internal import PerchProcess
internal import PerchSDK

/// Tries an executable from outside: whether it is a bundle as an engine needs it. Each check starts a process of its
/// own, so that none suffers from another.
struct BundleChecks {
    /// What came of a check.
    struct Outcome {
        enum Result: String { case pass, fail, skip }

        var check: String
        var result: Result
        var reason: String

        /// `pass  hello               it speaks …`
        var line: String {
            result.rawValue + "  " + check + String(repeating: " ", count: max(0, 20 - check.count)) + reason
        }
    }

    /// Nothing was tried, and why.
    struct Skipped: Error { var words: String }

    let executable: BundleExecutable
    /// How long the bundle has for each answer.
    let patience: TimeSpan
    let clock: any PerchClock
    /// The task whose code may be run for a try; nil: none.
    let task: (dagID: String, taskID: String)?
    /// Under which an engine would start it.
    let conditions: BundleConditions
    /// What the bundle has said of itself.
    var versions = BundleProtocol.spoken
    var bundleVersion = ""
    var definitions: [DAGDefinition] = []

    init(
        _ executable: BundleExecutable, patience: TimeSpan, clock: any PerchClock,
        task: (dagID: String, taskID: String)? = nil, conditions: BundleConditions = BundleConditions()
    ) {
        self.executable = executable
        self.patience = patience
        self.clock = clock
        self.task = task
        self.conditions = conditions
    }

    /// Makes all checks, in order; of a bundle that says no hello the first one alone.
    ///
    /// - Parameter tell: Is given each outcome as soon as it is there.
    /// - Returns: How many failed, and of how many.
    /// - Throws: `PerchError`: `unavailable` where the executable cannot be started, `notFound` for a task that the
    ///   bundle does not have.
    mutating func run(_ tell: (Outcome) throws -> Void) throws -> (failed: Int, all: Int) {
        var count = (failed: 0, all: 0)
        for (name, check) in Self.all {
            let outcome: Outcome
            do {
                outcome = Outcome(check: name, result: .pass, reason: try check(&self))
            } catch let skipped as Skipped {
                outcome = Outcome(check: name, result: .skip, reason: skipped.words)
            } catch let fault as BundleFault {
                outcome = Outcome(check: name, result: .fail, reason: "it \(fault.words)")
            }
            if outcome.result != .skip { count.all += 1 }
            if outcome.result == .fail { count.failed += 1 }
            try tell(outcome)
            // Whoever does not even say hello is no bundle: the rest would fail in the same words.
            if count.failed == 1, count.all == 1 { break }
        }
        return count
    }

    /// Makes the checks that tell whether it can be used at all.
    ///
    /// - Returns: The version that the bundle says it is of.
    /// - Throws: `BundleFault` that says what is wrong; `PerchError` (`unavailable`) where it cannot be started.
    mutating func runFirst() throws -> String {
        _ = try hello()
        _ = try describe()
        return bundleVersion
    }

    private typealias Check = (inout BundleChecks) throws -> String

    private static var all: [(String, Check)] {
        [
            ("hello", { try $0.hello() }), ("versions", { try $0.otherEngines() }),
            ("describe", { try $0.describe() }), ("pieces", { try $0.pieces() }),
            ("unknown members", { try $0.unknownMembers() }), ("unknown message", { try $0.unknownMessage() }),
            ("longest frame", { try $0.longestFrame() }), ("unknown dispatch", { try $0.unknownDispatch() }),
            ("unknown task", { try $0.unknownTask() }), ("timetable", { try $0.timetable() }),
            ("trigger", { try $0.trigger() }), ("too long a frame", { try $0.tooLongFrame() }),
            ("garbage", { try $0.garbage() }), ("drain", { try $0.drain() }), ("hang-up", { try $0.hangUp() }),
            ("run", { try $0.runTask() }), ("cancel", { try $0.cancelTask() }),
            ("drain while busy", { try $0.drainWhileBusy() }), ("hang-up while busy", { try $0.hangUpWhileBusy() }),
        ]
    }

    // MARK: Hello and description

    /// A process that has said hello.
    func greeted() throws -> TriedBundle {
        let bundle = try start()
        _ = try bundle.greet()
        return bundle
    }

    func start() throws -> TriedBundle {
        try TriedBundle(executable, patience: patience, clock: clock, conditions: conditions)
    }

    private mutating func hello() throws -> String {
        let (said, bundleVersion) = try start().greet()
        versions = said
        self.bundleVersion = bundleVersion
        guard let common = BundleProtocol.spoken.common(with: said) else {
            throw BundleFault(
                "does not fit: \(BundleProtocol.mismatch(bundle: said, engine: BundleProtocol.spoken))")
        }
        guard !bundleVersion.isEmpty else {
            throw BundleFault("says no 'bundle_version' in its 'hello'; it is another with each state of its code")
        }
        // Two processes of one file are of one version, or a new one would be taken up with every start.
        let again = try start().greet().bundleVersion
        guard again == bundleVersion else {
            throw BundleFault("says another 'bundle_version' at each start: '\(bundleVersion)', then '\(again)'")
        }
        return "it speaks \(said), with this engine version \(common); its own version is \(bundleVersion.shown())"
    }

    /// An engine of the past, that says no oldest version, and one of the future.
    private func otherEngines() throws -> String {
        for hello in [
            #"{"type":"hello","protocol_version":\#(versions.oldest)}"#,
            #"{"type":"hello","protocol_version":1000,"oldest_version":1}"#,
        ] {
            let bundle = try start()
            try bundle.send(hello)
            let said = try bundle.hello(after: hello).versions
            guard said == versions else {
                throw BundleFault("says that it speaks \(said) to \(hello), and \(versions) to this engine")
            }
        }
        return "it says the same to engines that are older and newer"
    }

    private mutating func describe() throws -> String {
        let bundle = try greeted()
        try bundle.send(.describe)
        let description = try Self.description(of: bundle)
        if let problem = description.problems.first {
            throw BundleFault("says that its declarations are wrong: \(problem.shown(200))")
        }
        var found: [DAGDefinition] = []
        for text in description.dags {
            do {
                found.append(try DAGDefinition(parsing: text))
            } catch let error as PerchError {
                throw BundleFault("describes what no engine takes: \(error.message)")
            }
        }
        let ids = found.map(\.dagID)
        if let twice = ids.first(where: { id in ids.count { $0 == id } > 1 }) {
            throw BundleFault("describes two DAGs '\(twice)'")
        }
        definitions = found
        if ids.isEmpty { return "it has no DAGs" }
        return "\(Self.count(ids.count, "DAG")): \(ids.joined(separator: ", ").shown(200))"
    }

    /// Reads a description, with the definitions that come ahead of it in pieces.
    static func description(of bundle: TriedBundle) throws -> BundleDescription {
        var (ahead, rest): ([String], String) = ([], "")
        while true {
            switch try bundle.next("a 'described'") {
            case .definition(let text, let isLast):
                rest += text
                guard isLast else { continue }
                ahead.append(rest)
                rest = ""
            case .source: continue
            case .described(var description):
                description.dags += ahead
                return description
            case let other: throw BundleFault("has answered 'describe' with \(TriedBundle.words(other))")
            }
        }
    }

    /// That it still works, by what it can always answer.
    static func requireSound(_ bundle: TriedBundle) throws {
        try bundle.send(.describe)
        _ = try description(of: bundle)
    }

    static func count(_ count: Int, _ what: String) -> String { count == 1 ? "1 \(what)" : "\(count) \(what)s" }
}
