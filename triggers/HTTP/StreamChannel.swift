// SPDX-License-Identifier: Apache-2.0

internal import PerchReactor
internal import PerchSDK

/// What makes two waits share a connection.
struct StreamKey: Hashable {
    var url: String
    var headers: [String: HTTPHeaderValue]
    var proxy: String?
    var ca: String?

    init(_ trigger: StreamTrigger) {
        url = trigger.url
        headers = trigger.headers
        proxy = trigger.proxy
        ca = trigger.ca
    }
}

/// One stream that is listened to, and the waits that look at its events.
final class StreamChannel {
    /// What a wait wants of an event; equal ones are judged once.
    struct Wish: Hashable {
        var event: String?
        var condition: JSONCondition?

        func isMet(by event: StreamEvent, _ json: () -> JSONValue?) -> Bool {
            guard self.event == nil || self.event == event.event else { return false }
            guard let condition else { return true }
            return json().map(condition.evaluate) ?? false
        }
    }

    let key: StreamKey
    let headers: [(name: String, value: String, isSecret: Bool)]
    let target: String
    var waits: [Wish: Set<Int64>] = [:]
    var count = 0

    var lastID: String
    var storedID: String
    var storeAt: Int64 = 0
    var parser: EventStreamParser?
    var transfer: (any HTTPTransfer)?
    var redirects = 0
    var timer: LoopTimer?
    /// When it is connected to next; nil while it is.
    var nextAt: Int64?
    var heardAt: Int64 = 0
    /// Connections in a row that brought nothing.
    var failures = 0
    var retry: Int64 = 3_000_000
    var connections: Int64 = 0
    var events: Int64 = 0
    var isOpen = false
    var lastResult = "not connected yet"

    init(
        key: StreamKey, headers: [(name: String, value: String, isSecret: Bool)], target: String, lastID: String
    ) {
        self.key = key
        self.headers = headers
        self.target = target
        self.lastID = lastID
        storedID = lastID
    }
}
