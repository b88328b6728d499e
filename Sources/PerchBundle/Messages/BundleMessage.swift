// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// What a timetable answers.
public struct ToldTicks: Sendable, Hashable {
    public var dagID: String
    /// The instant that was asked about.
    public var after: Timestamp
    /// In order.
    public var ticks: [TimetableTick]
    /// Whether there is none any more behind them.
    public var isLast: Bool
    /// Why there is no answer; nil where there is.
    public var problem: String?

    /// An answer from its parts.
    public init(
        dagID: String, after: Timestamp, ticks: [TimetableTick] = [], isLast: Bool = false, problem: String? = nil
    ) {
        self.dagID = dagID
        self.after = after
        self.ticks = ticks
        self.isLast = isLast
        self.problem = problem
    }
}

/// What a bundle says to the engine. The page "The bundle protocol" has the meaning of each.
public enum BundleMessage: Sendable, Hashable {
    /// The versions from the oldest, where it is said, to `protocolVersion` are spoken.
    case hello(protocolVersion: Int, bundleVersion: String, pid: Int32, oldestVersion: Int? = nil)
    /// A piece of the JSON text of one DAG that is too long for `described`; the pieces of a text come one after
    /// another.
    case definition(text: String, isLast: Bool)
    case described(BundleDescription)
    /// The text of a file that declares DAGs; goes before `described`.
    case source(BundleSource)
    case ticks(ToldTicks)
    /// `began`: when the code of the step did; nil where the bundle does not say.
    case step(dispatchID: Int64, key: String, payload: String, keep: Bool, began: Timestamp? = nil)
    case deferred(dispatchID: Int64, key: String, trigger: TriggerSpec, timeout: TimeSpan?)
    case result(dispatchID: Int64, AttemptOutcome)
    case log(dispatchID: Int64, [LogLine])
    /// What the templates of a dispatch's task have become; once a dispatch.
    case rendered(dispatchID: Int64, [RenderedField])
    case lookUp(LookUp)
    /// The code of a dispatch has held its thread for so long, without giving it to others for a moment.
    case held(dispatchID: Int64, TimeSpan)
    /// What a hosted trigger says.
    case trigger(TriggerRun, TriggerNews)
    case alive
    /// What this side did not understand.
    case unknown(messageType: String)
    /// A message of a type that this build does not know.
    case unrecognized(messageType: String)
}

/// What a bundle has to run.
public struct BundleDescription: Sendable, Hashable {
    /// Changes with every build of the bundle.
    public var bundleVersion: String
    /// Each DAG's `DAGDefinition` as JSON text.
    public var dags: [String]
    /// What is wrong with the declarations, one line each, with file and line. A bundle with problems is not run.
    public var problems: [String]
    /// What is wrong in files from which DAGs are read. The DAGs of such a file are left out, or as they were before; the
    /// others are run.
    public var importErrors: [DeclarationProblem]
    /// The files that declare its DAGs, as far as there are texts of them. They travel by themselves.
    public var sources: [BundleSource]

    /// A description from its parts.
    public init(
        bundleVersion: String, dags: [String], problems: [String], importErrors: [DeclarationProblem] = [],
        sources: [BundleSource] = []
    ) {
        self.sources = sources
        self.bundleVersion = bundleVersion
        self.dags = dags
        self.problems = problems
        self.importErrors = importErrors
    }
}

/// How a dispatch ended, other than by a wait.
public enum AttemptOutcome: Sendable, Hashable {
    /// The output as JSON text, and its elements where something is mapped over it.
    case success(output: String, items: [String]?)
    /// `retryable: false` fails at once, whatever retries are left.
    /// `retryAfter`: the delay before the next try, in place of the task's own.
    case failure(message: String, retryable: Bool, retryAfter: TimeSpan? = nil)
    case skipped(message: String)
    /// The clean-up of a cancelled dispatch is over.
    case cancelled
}

/// One line of an attempt's log.
public struct LogLine: Sendable, Hashable {
    public var at: Timestamp
    public var level: AttemptLogLevel
    public var message: String

    /// A line from its parts.
    public init(at: Timestamp, level: AttemptLogLevel, message: String) {
        self.at = at
        self.level = level
        self.message = message
    }

    /// The longest line that goes to a log as it is, in bytes.
    private static let longest = 64 << 10

    /// A line of what code has logged, cut where that is too long.
    init(bounded message: String, level: AttemptLogLevel, at: Timestamp) {
        var text = message
        if text.utf8.count > Self.longest {
            let cut = String(decoding: text.utf8.prefix(Self.longest), as: UTF8.self)
            text = "\(cut)… (\(message.utf8.count - Self.longest) bytes more)"
        }
        self.init(at: at, level: level, message: text)
    }
}
