package opensearch

import (
	"context"

	"github.com/seclog/seclog/plugin/deliver"
)

// doubt is an item of which nothing says for sure what it means.
type doubt struct {
	at   int
	race bool // it may have lost a race, else would never be taken
}

// Bounds of how many documents are asked for their reasons at a time. A reason
// may quote a whole document, escaped, and the answer is to stay below answerMax.
const (
	askedMax      = 5000
	askedMaxBytes = 2 << 20
)

// askable is how many documents of the request, from its first, are not too
// many for that.
func askable(req *deliver.Request) int {
	size := 0
	for k, i := range req.Which {
		if size += req.Docs[i].End - req.Docs[i].Off; k >= askedMax || k > 0 && size > askedMaxBytes {
			return k
		}
	}
	return len(req.Which)
}

// resolve finds out what illegal_argument_exception means where nothing else
// says so: that a document does not fit, that something about its index is not
// as it should be, or that it lost a race: when a field is new, a document that
// gives it another type than a neighbour does is refused now and may be taken a
// moment later. So these documents are sent once more and the reasons asked
// for, of which only the beginning is looked at and nothing is kept.
//
// Where there is no time for that, they stay "not now": the request that gives
// them again asks at once.
func (c *Client) resolve(ctx context.Context, req *deliver.Request, ans *deliver.Answer, doubts []doubt) {
	some := *req
	some.Which = make([]int32, len(doubts))
	for j := range doubts {
		some.Which[j] = req.Which[doubts[j].at]
	}
	some.Which = some.Which[:askable(&some)]
	asked := doubts[:len(some.Which)]
	var again deliver.Answer
	still := c.send(ctx, &some, &again, filtersReason[:])
	ans.Attempts += again.Attempts
	ans.Bytes += again.Bytes
	if again.Verdict != deliver.Items {
		return
	}
	ans.RetryAfter = max(ans.RetryAfter, again.RetryAfter)
	took := taken(&some, &again, taken(req, ans, nil))
	blame(&some, &again, still, took)
	blocked := map[string]bool{}
	for j, q := range asked {
		ans.Items[q.at] = again.Items[j]
		if again.Items[j].Outcome == deliver.Blocked {
			blocked[req.Docs[req.Which[q.at]].Index] = true
		}
	}
	for _, q := range doubts[len(asked):] {
		if index := req.Docs[req.Which[q.at]].Index; blocked[index] && !took[index] {
			ans.Items[q.at].Outcome = deliver.Blocked
		}
	}
}

// taken adds to a set the indexes that have taken a document, or had.
func taken(req *deliver.Request, ans *deliver.Answer, set map[string]bool) map[string]bool {
	for k := range ans.Items {
		if ans.Items[k].Outcome != deliver.Delivered {
			continue
		}
		if set == nil {
			set = map[string]bool{}
		}
		set[req.Docs[req.Which[k]].Index] = true
	}
	return set
}

// blame decides what is still in doubt. Who lost a race would have been taken by
// now. A reason that nobody knows is the document's fault where others of its
// index were taken, else the index's.
func blame(req *deliver.Request, ans *deliver.Answer, doubts []doubt, took map[string]bool) {
	for _, q := range doubts {
		ans.Items[q.at].Outcome = deliver.Blocked
		if q.race || took[req.Docs[req.Which[q.at]].Index] {
			ans.Items[q.at].Outcome = deliver.Dead
		}
	}
}
