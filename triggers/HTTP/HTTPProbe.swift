// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// What makes two waits share a probe.
struct HTTPRequestKey: Hashable {
    var method: String
    var url: String
    var headers: [String: HTTPHeaderValue]
    var body: String?
    var proxy: String?
    var ca: String?

    init(_ trigger: HTTPTrigger) {
        method = trigger.method
        url = trigger.url
        headers = trigger.headers
        body = trigger.body
        proxy = trigger.proxy
        ca = trigger.ca
    }
}

/// What tells the last answer from the next, in the server's own words.
struct HTTPValidators {
    var etag: String?
    var lastModified: String?
    /// The status of the answer that they stand for.
    var status: Int

    init?(_ answer: HTTPAnswer) {
        guard answer.status == 200 else { return nil }
        etag = answer.headers["etag"]
        lastModified = answer.headers["last-modified"]
        status = answer.status
        if etag == nil, lastModified == nil { return nil }
    }

    var headers: [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        if let etag { headers.append(("If-None-Match", etag)) }
        if let lastModified { headers.append(("If-Modified-Since", lastModified)) }
        return headers
    }
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
    let host: HTTPHost
    let origin: String
    /// The headers with their secrets filled in; never stored or shown.
    let headers: [(name: String, value: String, isSecret: Bool)]
    /// The same as the host itself gets them.
    let homeHeaders: [(name: String, value: String)]
    /// Whether the probe may ask for no answer where nothing has changed.
    let mayBeConditional: Bool
    /// What the probe is called in reports.
    let target: String

    /// In which traces its waits are, of those that are in any.
    var traces: [Int64: String] = [:]
    /// The waits of each condition.
    private(set) var conditions: [HTTPCondition: Set<Int64>] = [:]
    private var periods: [HTTPPeriod: Int] = [:]
    /// Those of them that grow.
    private var adaptive: Set<HTTPPeriod> = []
    private var timeouts: [Int64: Int] = [:]
    private(set) var count = 0

    var activity = Activity.idle
    var transfer: (any HTTPTransfer)?
    /// Where it was redirected to in this probe.
    var visited: [String] = []
    var startedAt: Int64 = 0

    /// When it was due, or is.
    var dueAt: Int64 = 0
    var ticket: Int64?
    /// The validators of the last answer.
    private(set) var validators: HTTPValidators?
    /// Whether a condition has not judged the last answer.
    private(set) var isUnjudged = false
    /// Whether the request under way asks for no answer where nothing has changed.
    var isConditional = false
    /// How many answers in a row were the one before.
    private(set) var unchanged = 0
    private var fingerprint: Int?
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
        key: HTTPRequestKey, host: HTTPHost, origin: String,
        headers: [(name: String, value: String, isSecret: Bool)], target: String
    ) {
        self.key = key
        self.host = host
        self.origin = origin
        self.headers = headers
        self.target = target
        homeHeaders = headers.map { ($0.name, $0.value) }
        // What a user asks by such headers is for the user to judge.
        mayBeConditional =
            (key.method == "GET" || key.method == "HEAD") && key.body == nil
            && !headers.contains { $0.name.lowercased().hasPrefix("if-") }
    }

    /// The shortest that any of its waits wants now.
    private(set) var period: Int64 = 0
    /// The longest that any of its waits grants.
    private(set) var timeout: Int64 = 0

    var isAdaptive: Bool { !adaptive.isEmpty }

    /// What its requests say of the trace that they are made in: that of the wait that was there first. One that the user has
    /// written stays.
    var traceHeaders: [(name: String, value: String)] {
        guard let first = traces.min(by: { $0.key < $1.key }) else { return [] }
        let isWritten = headers.contains { $0.name.lowercased() == "traceparent" }
        return isWritten ? [] : [("traceparent", first.value)]
    }

    func insert(_ waitID: Int64, _ trigger: HTTPTrigger) {
        // What a new condition has not judged must come once more.
        if conditions[trigger.until] == nil { isUnjudged = true }
        conditions[trigger.until, default: []].insert(waitID)
        periods[trigger.period, default: 0] += 1
        if trigger.slowest != nil { adaptive.insert(trigger.period) }
        timeouts[trigger.timeout.microseconds, default: 0] += 1
        count += 1
        let wanted = trigger.period.span(unchanged: unchanged)
        period = count == 1 ? wanted : min(period, wanted)
        timeout = max(timeout, trigger.timeout.microseconds)
    }

    func remove(_ waitID: Int64, condition: HTTPCondition, period wanted: HTTPPeriod, timeout granted: Int64) {
        if !traces.isEmpty { traces[waitID] = nil }
        conditions[condition]?.remove(waitID)
        if conditions[condition]?.isEmpty == true { conditions[condition] = nil }
        count -= 1
        if Self.take(wanted, from: &periods) {
            adaptive.remove(wanted)
            if wanted.span(unchanged: unchanged) <= period { findPeriod() }
        }
        if Self.take(granted, from: &timeouts), granted == timeout { timeout = timeouts.keys.max() ?? 0 }
    }

    /// Every condition has judged an answer; says whether it is the one before.
    func judged(_ answer: HTTPAnswer, keeping validators: HTTPValidators?) {
        isUnjudged = false
        self.validators = validators
        guard isAdaptive else { return }
        let print = answer.fingerprint
        count(unchanged: print == fingerprint)
        fingerprint = print
    }

    /// The last answer could not be looked at: nothing is the same as it.
    func forgetAnswer() {
        validators = nil
        fingerprint = nil
        count(unchanged: false)
    }

    /// Counts answers that are the one before.
    func count(unchanged isSame: Bool) {
        guard isAdaptive, isSame || unchanged > 0 else { return }
        unchanged = isSame ? min(unchanged + 1, 1_000) : 0
        findPeriod()
    }

    private func findPeriod() {
        period = periods.keys.reduce(Int64.max) { min($0, $1.span(unchanged: unchanged)) }
        if periods.isEmpty { period = 0 }
    }

    /// Whether the value was the last of its kind.
    private static func take<Value>(_ value: Value, from counts: inout [Value: Int]) -> Bool {
        guard let count = counts[value] else { return false }
        counts[value] = count == 1 ? nil : count - 1
        return count == 1
    }
}
