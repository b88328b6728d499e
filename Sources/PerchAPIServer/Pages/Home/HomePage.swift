// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension PageRoute {
    static let home: [PageRoute] = [
        .page("/") { call in try await HomePage(call).content },
        .page("/runs") { call in try await RunsPage(call).content },
        .page("/tasks") { call in try await TasksPage(call).content },
    ]
}

/// What runs, what waits, what failed; what has ended and what comes; whether every part lives.
private struct HomePage {
    /// No count goes on beyond.
    static let most = 50_000
    static let day = TimeSpan.seconds(86_400)

    let overview: Overview
    let health: HealthView
    let triggerers: [TriggererRow]
    let paused: Int
    let dags: Int
    let importErrors: Int
    let ended: (figure: [EndedCount], at: Timestamp)
    let forecast: (figure: WaitForecast, at: Timestamp)
    let now: Timestamp

    init(_ call: PageCall) async throws {
        let (metastore, now) = (call.metastore, call.metastore.clock.now)
        let read = try await call.read { snapshot in
            let rows = try snapshot.dags().filter(\.isActive)
            return (
                try snapshot.overview(atMost: Self.most), try HealthView(snapshot), try snapshot.triggerers(),
                rows.count { $0.isPaused }, rows.count, try snapshot.importErrors().count
            )
        }
        (overview, health, triggerers, paused, dags, importErrors) = read
        ended = try await call.figures.figure("ended", clock: metastore.clock, age: .seconds(10)) {
            try await metastore.read { snapshot in
                try snapshot.endedCounts(
                    since: snapshot.now + TimeSpan(microseconds: -Self.day.microseconds), spans: 24, atMost: 200_000)
            }
        }
        forecast = try await call.figures.figure("forecast", clock: metastore.clock, age: .seconds(30)) {
            try await metastore.read { try $0.forecast(within: Self.day, buckets: 24) }
        }
        self.now = now
    }

    var content: PageContent {
        PageContent(title: "Home", section: .home, body: body, isLive: true)
    }

    private var body: HTML {
        """
        \(warnings)
        <h2 class="vh">At this moment</h2>
        \(cards)
        <div class="two"><section aria-labelledby="done"><h2 id="done">Tasks ended, by hour</h2>\(throughput)</section>
        <section aria-labelledby="next"><h2 id="next">Waits that come due, by hour</h2>\(ahead)</section></div>
        <section aria-labelledby="parts"><h2 id="parts">Parts of the engine</h2>\(parts)</section>
        """
    }

    private var warnings: HTML {
        var lines: [HTML] = []
        for (name, part) in [
            ("scheduler", health.scheduler), ("triggerer", health.triggerer), ("worker", health.worker),
        ] where !part.isWell {
            lines.append(
                "<li><strong class=\"st failed\"><i aria-hidden=\"true\">✕</i>No \(name) lives</strong>: its work stands still</li>"
            )
        }
        if importErrors > 0 {
            lines.append(
                "<li><a href=\"/dags#problems\">\(importErrors) \(importErrors == 1 ? "file" : "places") of the bundle cannot be read</a></li>"
            )
        }
        return .when(!lines.isEmpty, "<ul class=\"box\" aria-label=\"What is wrong\">\(lines)</ul>")
    }

    private func count(_ number: Int) -> String { number >= Self.most ? "\(Self.most.grouped)+" : number.grouped }

    /// What the triggerers say where there are too many to be counted for a page.
    private var waits: String {
        guard overview.waits >= Self.most else { return overview.waits.grouped }
        return "~" + max(Int64(forecast.figure.waits), triggerers.reduce(0) { $0 + $1.waits }).grouped
    }

    private var cards: HTML {
        let failed = ended.figure.reduce(0) { $0 + $1.runsFailed }
        let succeeded = ended.figure.reduce(0) { $0 + $1.runsSucceeded }
        let deferred = PageTable.has(PageSection.deferred.path) ? PageSection.deferred.path : nil
        let cards: [(String, String, (any StateSign)?, String?)] = [
            ("runs under way", count(overview.runsRunning), RunState.running, "/runs?state=running"),
            ("tasks running", count(overview.tasksRunning), TaskState.running, "/tasks?state=running"),
            ("tasks waiting", waits, TaskState.deferred, deferred),
            ("tasks queued", count(overview.tasksQueued), TaskState.queued, "/tasks?state=queued"),
            ("tasks held up", count(overview.tasksScheduled), TaskState.scheduled, "/tasks?state=scheduled"),
            ("to be tried again", count(overview.tasksUpForRetry), TaskState.upForRetry, "/tasks?state=up_for_retry"),
            ("failed runs, 24 h", failed.grouped, RunState.failed, "/runs?state=failed"),
            ("good runs, 24 h", succeeded.grouped, RunState.success, "/runs?state=success"),
            ("DAGs, \(paused.grouped) paused", dags.grouped, nil, "/dags"),
        ]
        let items = cards.map { words, number, state, path -> HTML in
            let sign: HTML =
                state.map { "<span class=\"m \($0.rawValue)\" aria-hidden=\"true\">\($0.symbol)</span> " } ?? .empty
            let label: HTML = path.map { "<a href=\"\(exact: $0)\">\(words)</a>" } ?? "\(words)"
            return "<li class=\"card\"><span class=\"big\">\(number)</span>\(sign)\(label)</li>"
        }
        return "<ul class=\"cards\">\(items)</ul>"
    }

    private static let ends = [
        (kind: "success", symbol: "✓", words: "succeeded"), (kind: "failed", symbol: "✕", words: "failed"),
        (kind: "skipped", symbol: "»", words: "skipped or not run"),
    ]
    private static let comings = [
        (kind: "deferred", symbol: "◔", words: "come due"), (kind: "upstream_failed", symbol: "⊘", words: "time out"),
    ]

    private var throughput: HTML {
        let columns = ended.figure.enumerated().map { place, count in
            let hour = String(count.from.pageText.dropFirst(11).prefix(5))
            return PagePlot.Column(
                label: place % 4 == 0 ? hour : "",
                words: "from \(hour): \(count.tasksSucceeded) succeeded, \(count.tasksFailed) failed, "
                    + "\(count.tasksOther) skipped or not run",
                parts: [
                    ("success", count.tasksSucceeded), ("failed", count.tasksFailed), ("skipped", count.tasksOther),
                ])
        }
        let (good, bad) = ended.figure.reduce((0, 0)) { ($0.0 + $1.tasksSucceeded, $0.1 + $1.tasksFailed) }
        let words = "\(good.grouped) tasks succeeded and \(bad.grouped) failed in the last 24 hours"
        return "\(PagePlot(words: words, columns: columns, key: Self.ends).html)<p class=\"soft\">\(words), UTC.</p>"
    }

    private var ahead: HTML {
        let figure = forecast.figure
        let columns = figure.buckets.enumerated().map { place, bucket in
            let hour = String(bucket.from.pageText.dropFirst(11).prefix(5))
            return PagePlot.Column(
                label: place % 4 == 0 ? hour : "",
                words: "from \(hour): \(bucket.due) come due, \(bucket.timeouts) time out",
                parts: [("deferred", bucket.due), ("upstream_failed", bucket.timeouts)])
        }
        let (due, late) = figure.buckets.reduce((0, 0)) { ($0.0 + $1.due, $0.1 + $1.timeouts) }
        let words =
            "Of \(figure.waits.grouped) waits \(due.grouped) come due and \(late.grouped) time out in the next 24 hours; "
            + "\(figure.later.grouped) later, \(figure.open.grouped) at no known time"
        return """
            \(PagePlot(words: words, columns: columns, key: Self.comings).html)<p class="soft">\(words). \
            Counted \(HTML.ago(forecast.at, now: now)).</p>
            """
    }

    private var parts: HTML {
        let rows = [
            ("Schedulers", health.scheduler, "make runs, and start what may run"),
            ("Triggerers", health.triggerer, "watch what waits"), ("Workers", health.worker, "run tasks"),
        ].map { name, part, work -> HTML in
            let state = part.isWell ? TaskState.success : TaskState.failed
            let sign: HTML = """
                <span class="st \(state.rawValue)"><i aria-hidden="true">\(state.symbol)</i>\(part.isWell ? "alive" : "none lives")</span>
                """
            return
                "<tr><th scope=\"row\">\(name)</th><td>\(sign)</td><td>\(part.count)</td><td class=\"wide soft\">\(work)</td></tr>"
        }
        return HTML.table(
            "Whether each part of the engine lives",
            [PageColumn("Part"), PageColumn("State"), PageColumn("How many"), PageColumn("What they do", "wide")], rows,
            empty: "")
    }
}
