// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension PageRoute {
    static let assets: [PageRoute] = [
        .page("/assets") { call in try await AssetsPage(call).content },
        .page("/assets/graph") { call in try await AssetGraphPage(call).content },
        .page("/assets/of/{asset}") { call in try await AssetPage(call).content },
    ]
}

extension PagePath {
    /// Where one asset is shown: apart from what else stands at `/assets`, whatever it is called.
    static func asset(_ name: String) -> String { path(["assets", "of", name]) }
}

/// All assets at a moment. DAGs are looked through for them, so they are kept for a while.
enum AssetShelf {
    static func assets(_ call: PageCall) async throws -> (figure: [AssetRow], at: Timestamp) {
        let metastore = call.metastore
        return try await call.figures.figure("assets", clock: metastore.clock, age: .seconds(5)) {
            try await metastore.read { try $0.assets() }
        }
    }

    static func tabs(_ current: String) -> [PageTab] {
        [("List", "/assets"), ("Graph", "/assets/graph")].map { words, path in
            PageTab(words: words, path: path, isCurrent: path == current)
        }
    }
}

/// Every asset that DAGs or updates name: who updates it, what its updates start, when they came.
private struct AssetsPage {
    private static let size = 50

    private let call: PageCall
    private let found: [AssetRow]
    private let number: Int
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let part = call.query.text("search")?.lowercased()
        let assets = try await AssetShelf.assets(call).figure
        found = part.map { part in assets.filter { $0.name.lowercased().contains(part) } } ?? assets
        number = call.query.number("page", in: 1...100_000) ?? 1
        now = call.metastore.clock.now
    }

    var content: PageContent {
        let first = (number - 1) * Self.size
        let shown = found.dropFirst(first).prefix(Self.size)
        let search: HTML = """
            <form class="row" role="search" action="/assets"><label class="vh" for="search">Search assets</label>\
            <input class="grow" type="search" id="search" name="search" placeholder="A part of the name" \
            value="\(exact: call.query["search"] ?? "")"><button>Search</button></form>
            """
        let table = HTML.table(
            "Assets",
            [
                PageColumn("Asset"), PageColumn("Updated by"), PageColumn("Starts"), PageColumn("Sensors", "mid"),
                PageColumn("Updates kept", "tight num mid"), PageColumn("Last update", "tight"),
            ], shown.map(row),
            empty: call.query.text("search") == nil
                ? "There are no assets: tasks name them as outlets, DAGs as what starts them."
                : "No asset has that in its name.")
        let words = shown.isEmpty ? "None" : "\(first + 1)–\(first + shown.count) of \(found.count.grouped)"
        let pager = HTML.pager(
            words, before: number > 1 ? call.link(["page": number == 2 ? nil : "\(number - 1)"]) : nil,
            after: first + shown.count < found.count ? call.link(["page": "\(number + 1)"]) : nil)
        return PageContent(
            title: "Assets", section: .assets, tabs: AssetShelf.tabs("/assets"), body: search + table + pager,
            isLive: true)
    }

    /// Some names, and how many others there are.
    private static func some(_ links: [HTML], of count: Int) -> HTML {
        guard count > 0 else { return "<span class=\"soft\">nothing</span>" }
        let more: HTML = .when(count > links.count, " <span class=\"soft\">and \(count - links.count) others</span>")
        return links.joined(by: ", ") + more
    }

    private func row(_ asset: AssetRow) -> HTML {
        func tasks(_ names: [AssetRow.TaskName]) -> HTML {
            Self.some(
                names.prefix(4).map {
                    "<a href=\"\(exact: PagePath.dag($0.dagID))\">\($0.dagID)</a>.\($0.taskID)" as HTML
                }, of: names.count)
        }
        let started = Self.some(
            asset.startedDAGs.prefix(4).map { "<a href=\"\(exact: PagePath.dag($0))\">\($0)</a>" as HTML },
            of: asset.startedDAGs.count)
        return """
            <tr><th scope="row" class="wrap"><a href="\(exact: PagePath.asset(asset.name))">\(asset.name)</a></th>\
            <td class="wrap">\(tasks(asset.producers))</td><td class="wrap">\(started)</td>\
            <td class="wrap mid">\(tasks(asset.sensors))</td><td class="tight num mid">\(asset.updates.grouped)</td>\
            <td class="tight">\(HTML.ago(asset.lastUpdate?.receivedAt, now: now))</td></tr>
            """
    }
}
