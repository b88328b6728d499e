// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle

/// A bundle that runs, and what is known of it.
final class RunningBundle {
    let link: any BundleLink
    /// Which start of a bundle it is.
    let number: Int
    /// Its row in the metastore; 0 where it is no process of its own.
    var processID: Int64 = 0
    var isReady = false
    /// Whether its end is wanted.
    var isRetired = false
    /// How it ended.
    var endWords: String?
    /// Whether a timer looks for its silence.
    var isWatched = false
    var bundleVersion = ""
    /// The version of the protocol that it speaks; 0 before it has said.
    var protocolVersion = 0
    /// Periods in which nothing was heard of it although code runs in it.
    var silentPeriods = 0
    var greeting: CheckedContinuation<Greeting?, Never>?
    var whenEnded: [CheckedContinuation<Void, Never>] = []
    /// Whether it may be told of the clock, and what it was told last.
    var knowsClock = true
    var toldOffset: Int64?

    /// DAGs that were too long for the description, and the pieces so far of the next one.
    private var definitions: [String] = []
    private var pieces = ""

    enum Greeting: Sendable {
        case hello(version: Int)
        case described(BundleDescription)
    }

    init(_ link: any BundleLink, number: Int) {
        self.link = link
        self.number = number
    }

    func take(definition text: String, isLast: Bool) {
        pieces += text
        guard isLast else { return }
        definitions.append(pieces)
        pieces = ""
    }

    func greet(_ description: BundleDescription) {
        var whole = description
        whole.dags += definitions
        definitions = []
        greet(.described(whole))
    }

    func greet(_ greeting: Greeting?) {
        let waiting = self.greeting
        self.greeting = nil
        waiting?.resume(returning: greeting)
    }
}
