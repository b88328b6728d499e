// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchSDK

/// A page of things that are there as a whole, in the order of their names, byte for byte, found by a part of the name.
struct KeyedList<Row: Sendable>: Sendable {
    private static var size: Int { 100 }

    let rows: [Row]
    private let call: PageCall
    /// The name after which the next page begins; nil: there is none.
    private let next: String?
    private let count: Int

    init(_ all: [Row], _ call: PageCall, key: (Row) -> String) {
        self.call = call
        func isBefore(_ left: String, _ right: String) -> Bool { left.utf8.lexicographicallyPrecedes(right.utf8) }
        let part = call.query.text("search")?.lowercased()
        let found = all.filter { row in part.map { key(row).lowercased().contains($0) } ?? true }
            .sorted { isBefore(key($0), key($1)) }
        var rest = found[...]
        if let after = call.query["after"] { rest = rest.drop { !isBefore(after, key($0)) } }
        rows = Array(rest.prefix(Self.size))
        next = rest.count > Self.size ? rows.last.map(key) : nil
        count = found.count
    }

    /// Where one searches.
    /// - Parameter what: What the things are, in the plural.
    func search(_ what: String) -> HTML {
        """
        <form class="row" role="search" action="\(exact: call.path)"><label class="vh" for="search">Search \(what) by name</label>\
        <input class="grow" type="search" id="search" name="search" placeholder="Search \(what)" \
        value="\(exact: call.query["search"] ?? "")"><button>Search</button></form>
        """
    }

    var pager: HTML {
        HTML.pager(
            "\(rows.count.grouped) of \(count.grouped)",
            before: call.query["after"] == nil ? nil : call.link(["after": nil]),
            after: next.map { call.link(["after": $0]) })
    }
}

/// What is wrong with a form, by field; under an empty name what is wrong with all of it.
typealias FormFaults = [String: String]

extension PageCall {
    /// Does what a form says.
    /// - Returns: What is wrong where it cannot be done as it stands; nil: it is done.
    func fault(in body: () async throws -> Void) async throws -> String? {
        do {
            try await body()
            return nil
        } catch let error as PerchError where [.invalid, .conflict, .notFound].contains(error.code) {
            return error.message
        }
    }
}

extension PageContent {
    /// The same, of a form that could not be done as it stands.
    var refused: PageReply {
        var content = self
        content.status = .badRequest
        return .page(content)
    }
}

extension HTML {
    /// A form that is folded away until it is wanted; where something is wrong with it, it is open.
    static func folded(_ words: String, isOpen: Bool, _ body: HTML) -> HTML {
        let mark: HTML = .when(isOpen, " open")
        return "<details class=\"box\"\(mark)><summary>\(words)</summary>\(body)</details>"
    }
}
