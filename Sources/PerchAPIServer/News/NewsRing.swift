// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// What a listener wants to hear of.
struct NewsFilter: Sendable {
    /// Nil: every kind.
    var kinds: Set<Change.Kind>?
    /// Nil: every DAG. What belongs to no DAG, or to several, is for everybody.
    var dagID: String?

    func wants(_ change: Change) -> Bool {
        (kinds?.contains(change.kind) ?? true) && (dagID == nil || change.dagID == nil || change.dagID == dagID)
    }
}

/// The latest news, numbered; the oldest make room for new ones. Listeners have a place in it each, and nothing else.
struct NewsRing {
    private struct Item {
        var change: Change
        /// As it is sent.
        var text: [UInt8]
    }

    /// What a listener gets at a place.
    enum Reading: Equatable {
        /// Bytes to be sent, perhaps none, and his place behind them.
        case news([UInt8], next: Int64)
        /// What came behind his place is not all there any more.
        case lost(next: Int64)
    }

    /// Names this ring, for places in another one are none here.
    let epoch: String
    private let most: Int
    private let mostBytes: Int
    private var items: [Item] = []
    /// Where in `items` the oldest stands, and its number.
    private var start = 0
    private var first: Int64 = 0
    private var bytes = 0

    init(epoch: String, most: Int = 4_096, mostBytes: Int = 4 << 20) {
        self.epoch = epoch
        self.most = most
        self.mostBytes = mostBytes
    }

    /// The place of what comes next.
    var next: Int64 { first + Int64(items.count - start) }

    mutating func add(_ change: Change) {
        let name = change.kind.rawValue
        let document = JSONValue.object(change.facts).text
        let item = Item(
            change: change, text: Array("id: \(id(next + 1))\nevent: \(name)\ndata: \(document)\n\n".utf8))
        items.append(item)
        bytes += item.text.count
        while items.count - start > most || bytes > mostBytes {
            bytes -= items[start].text.count
            items[start].text = []
            start += 1
            first += 1
        }
        // What has gone is swept when it is as much as what is there.
        if start > most {
            items.removeFirst(start)
            start = 0
        }
    }

    /// A place as listeners keep it.
    func id(_ place: Int64) -> String { "\(epoch)-\(place)" }

    /// The place that an id names; nil where it is none of this ring.
    func place(_ id: String) -> Int64? {
        let parts = id.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == epoch, let place = Int64(parts[1]), (0...next).contains(place) else {
            return nil
        }
        return place
    }

    /// What is there for a listener from a place on, about as many bytes as he is sent at a time.
    func read(from place: Int64, _ filter: NewsFilter, bytes most: Int) -> Reading {
        guard place >= first, place <= next else { return .lost(next: next) }
        var found: [UInt8] = []
        var place = place
        while place < next, found.count < most {
            let item = items[start + Int(place - first)]
            if filter.wants(item.change) { found += item.text }
            place += 1
        }
        return .news(found, next: place)
    }
}
