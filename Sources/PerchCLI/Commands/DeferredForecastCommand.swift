// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DeferredForecastCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forecast", abstract: "How many waits come due or time out, and when.",
        discussion: "Each wait counts once, at what comes first. What events, files or answers end before is not known."
    )

    private static let mostBuckets = 1_000

    @Option(name: .long, help: ArgumentHelp("How far to look ahead.", valueName: "span")) var within = "1d"
    @Option(name: .long, help: "Into how many equal spans to divide that.") var buckets = 24
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws {
        _ = try span()
        try checkedLimit(buckets, "--buckets")
        guard buckets <= Self.mostBuckets else {
            throw ValidationError("--buckets is \(buckets); it is a number from 1 to \(Self.mostBuckets)")
        }
    }

    private func span() throws -> TimeSpan {
        let span = try TimeSpan.option("--within", within)
        guard span.microseconds > 0 else { throw ValidationError("--within is \(span); it is a span such as 2h") }
        return span
    }

    func run() async throws {
        let span = try span()
        let buckets = buckets
        let forecast = try await home.withMetastore { _, metastore in
            try await metastore.read { try $0.forecast(within: span, buckets: buckets) }
        }
        try Listing.show(Self.record(forecast), output.format)
    }

    private static func record(_ forecast: WaitForecast) -> Record {
        let buckets = forecast.buckets.map { bucket -> Document in
            .record([
                "from": .instant(bucket.from), "to": .instant(bucket.to), "due": .number(bucket.due),
                "timeouts": .number(bucket.timeouts),
            ])
        }
        let kinds = forecast.kinds.map { entry -> Document in
            .record(["kind": .text(entry.kind), "waits": .number(entry.count)])
        }
        let shared = forecast.shared.map { entry -> Document in
            .record(["kind": .text(entry.kind), "target": .text(entry.target), "waits": .number(entry.count)])
        }
        return [
            "as_of": .instant(forecast.asOf),
            "waits": .number(forecast.waits),
            "overdue": .number(forecast.overdue),
            "later": .number(forecast.later),
            "open": .number(forecast.open),
            "oldest_wait_id": .number(forecast.oldest?.waitID),
            "oldest_since": .instant(forecast.oldest?.since),
            "oldest_kind": .text(forecast.oldest?.kind),
            "oldest_target": .text(forecast.oldest?.target),
            "buckets": .list(buckets),
            "kinds": .list(kinds),
            "most_shared": .list(shared),
        ]
    }
}
