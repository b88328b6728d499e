// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// What makes two waits share a probe.
struct HTTPRequestKey: Hashable {
    var method: String
    var url: String
    var headers: [String: HTTPHeaderValue]
    var body: String?
}

/// One request that is made again and again, and the waits that look at its answers.
final class HTTPProbe {
    enum Activity {
        case idle
        /// Due, and waiting for its turn with the host.
        case queued
        case asking
    }

    let key: HTTPRequestKey
    let address: HTTPAddress
    /// The headers with their secrets filled in; never stored or shown.
    let headers: [(name: String, value: String, isSecret: Bool)]
    /// What the probe is called in reports.
    let target: String

    /// The waits of each condition.
    private(set) var conditions: [HTTPCondition: Set<Int64>] = [:]
    private var periods: [Int64: Int] = [:]
    private var timeouts: [Int64: Int] = [:]
    private(set) var count = 0

    var activity = Activity.idle
    var transfer: (any HTTPTransfer)?
    /// The URLs asked in this probe: the first and where it was redirected to.
    var visited: [String] = []
    var startedAt: Int64 = 0

    /// When it was due, or is.
    var dueAt: Int64 = 0
    var ticket: Int64?
    /// Failures in a row.
    var failures = 0
    var probes: Int64 = 0
    var lastAt: Int64?
    var lastResult = ""
    var lastClass = ""
    var reportedAt: Int64 = 0
    /// Who waits for its next answer.
    var asked: [() -> Void] = []

    init(
        key: HTTPRequestKey, address: HTTPAddress, headers: [(name: String, value: String, isSecret: Bool)],
        target: String
    ) {
        self.key = key
        self.address = address
        self.headers = headers
        self.target = target
    }

    /// The shortest that any of its waits wants.
    private(set) var period: Int64 = 0
    /// The longest that any of its waits grants.
    private(set) var timeout: Int64 = 0

    func insert(_ waitID: Int64, _ trigger: HTTPTrigger) {
        conditions[trigger.until, default: []].insert(waitID)
        periods[trigger.every.microseconds, default: 0] += 1
        timeouts[trigger.timeout.microseconds, default: 0] += 1
        count += 1
        period = count == 1 ? trigger.every.microseconds : min(period, trigger.every.microseconds)
        timeout = max(timeout, trigger.timeout.microseconds)
    }

    func remove(_ waitID: Int64, condition: HTTPCondition, every: Int64, timeout granted: Int64) {
        conditions[condition]?.remove(waitID)
        if conditions[condition]?.isEmpty == true { conditions[condition] = nil }
        count -= 1
        if Self.take(every, from: &periods), every == period { period = periods.keys.min() ?? 0 }
        if Self.take(granted, from: &timeouts), granted == timeout { timeout = timeouts.keys.max() ?? 0 }
    }

    /// Whether the value was the last of its kind.
    private static func take(_ value: Int64, from counts: inout [Int64: Int]) -> Bool {
        guard let count = counts[value] else { return false }
        counts[value] = count == 1 ? nil : count - 1
        return count == 1
    }
}

/// A queue that gives its room back.
struct FirstInFirstOut<Element> {
    private var elements: [Element] = []
    private var head = 0

    var isEmpty: Bool { head == elements.count }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func popFirst() -> Element? {
        guard head < elements.count else { return nil }
        defer {
            head += 1
            if head == elements.count || head > 1_024 {
                elements.removeFirst(head)
                head = 0
            }
        }
        return elements[head]
    }
}

/// The requests to one host: so many at a time, the others in line.
final class HTTPHost {
    let origin: String
    var active = 0
    var line = FirstInFirstOut<HTTPProbe>()
    /// Whether it stands in the line of hosts for a free place among all requests.
    var isInLine = false

    init(origin: String) { self.origin = origin }
}
