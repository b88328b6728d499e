// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Names one hosting of a wait.
public struct TriggerRun: Sendable, Hashable {
    public var waitID: Int64
    /// Tells this hosting from every other one of the wait.
    public var run: Int64

    /// A name from its parts.
    public init(waitID: Int64, run: Int64) {
        self.waitID = waitID
        self.run = run
    }
}

/// A trigger that is to be run in the bundle.
public struct TriggerOrder: Sendable, Hashable {
    public var run: TriggerRun
    public var kind: String
    public var definition: JSONValue
    public var facts: TriggerFacts
    public var checkpoint: JSONValue?
    /// How long its code may hold its thread; zero: for ever.
    public var budget: TimeSpan

    /// An order from its parts.
    public init(
        run: TriggerRun, kind: String, definition: JSONValue, facts: TriggerFacts, checkpoint: JSONValue? = nil,
        budget: TimeSpan
    ) {
        self.run = run
        self.kind = kind
        self.definition = definition
        self.facts = facts
        self.checkpoint = checkpoint
        self.budget = budget
    }
}

/// What a hosted trigger says.
public enum TriggerNews: Sendable, Hashable {
    /// Why it has failed.
    public enum Reason: String, Sendable, Hashable {
        /// Its code threw.
        case threw
        /// There is no code for it.
        case unknown
        /// It can never work.
        case broken
    }

    case sleep(number: Int64, until: Timestamp)
    /// JSON text.
    case checkpoint(number: Int64, value: String)
    /// JSON text.
    case event(String)
    case failed(Reason, message: String)
    case held(TimeSpan)
    case log([LogLine])
}
