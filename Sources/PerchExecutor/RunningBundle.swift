// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle

/// A bundle that runs, and what is known of it.
final class RunningBundle {
    let link: any BundleLink
    /// Which start of a bundle it is.
    let number: Int
    /// What it is there for; changes where another one succeeds it.
    var place: Place
    /// When it could be given work for the first time.
    var readyAt: Int64 = 0
    /// When the system is asked next for what it uses.
    var nextUseLook: Int64 = 0
    /// What was started.
    var revision: String?
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
    /// What it was told last of the clock.
    var toldOffset: Int64?

    /// DAGs that were too long for the description, and the pieces so far of the next one.
    private var definitions: [String] = []
    private var pieces = ""
    /// The files that declare its DAGs, which go before the description.
    private var sources: [BundleSource] = []
    private var sourceBytes = 0
    private static let mostSourceBytes = 64 << 20

    enum Greeting: Sendable {
        case hello(ProtocolVersions)
        case described(BundleDescription)
    }

    init(_ link: any BundleLink, number: Int, place: Place) {
        self.link = link
        self.number = number
        self.place = place
    }

    func take(definition text: String, isLast: Bool) {
        pieces += text
        guard isLast else { return }
        definitions.append(pieces)
        pieces = ""
    }

    /// What is more than any bundle has is not kept.
    func take(source: BundleSource) {
        guard sourceBytes < Self.mostSourceBytes else { return }
        sources.append(source.bounded)
        sourceBytes += source.text.utf8.count
    }

    func greet(_ description: BundleDescription) {
        var whole = description
        whole.dags += definitions
        whole.sources = sources
        definitions = []
        sources = []
        sourceBytes = 0
        greet(.described(whole))
    }

    func greet(_ greeting: Greeting?) {
        let waiting = self.greeting
        self.greeting = nil
        waiting?.resume(returning: greeting)
    }
}
