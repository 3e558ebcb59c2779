package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
)

// Do sends one request with a JSON body, if there is one, and decodes the answer into out, if that is not nil.
// A []byte or string body is sent as it is, as the _bulk API needs it.
//
// *Errors:* every status but 2xx, with the start of the answer.
func (s *Server) Do(ctx context.Context, method, path string, body, out any) error {
	var payload io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		payload = bytes.NewReader(b)
	case string:
		payload = bytes.NewReader([]byte(b))
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, payload)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if s.AdminUser != "" {
		req.SetBasicAuth(s.AdminUser, s.AdminSecret)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: status %d: %s", method, path, res.StatusCode, answer[:min(len(answer), 1024)])
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// Refresh makes what was indexed so far visible to searches.
func (s *Server) Refresh(ctx context.Context, index string) error {
	return s.Do(ctx, http.MethodPost, "/"+url.PathEscape(index)+"/_refresh", nil, nil)
}

// Count refreshes an index, or a pattern of them, and answers how many documents it holds.
func (s *Server) Count(ctx context.Context, index string) (int, error) {
	if err := s.Refresh(ctx, index); err != nil {
		return 0, err
	}
	var answer struct {
		Count  int `json:"count"`
		Shards struct {
			Failed int `json:"failed"`
		} `json:"_shards"`
	}
	if err := s.Do(ctx, http.MethodGet, "/"+url.PathEscape(index)+"/_count", nil, &answer); err != nil {
		return 0, err
	}
	if answer.Shards.Failed > 0 {
		return 0, fmt.Errorf("count %s: %d shards failed", index, answer.Shards.Failed)
	}
	return answer.Count, nil
}

// Doc is one document as it is stored.
type Doc struct {
	Index  string          `json:"_index"`
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"`
}

const pageSize = 10000

// Documents refreshes an index, or a pattern of them, and yields every document once, with those source fields that
// are named, or all of them. It reads one frozen view, so documents may be indexed meanwhile. An error ends it.
func (s *Server) Documents(ctx context.Context, index string, fields ...string) iter.Seq2[Doc, error] {
	return func(yield func(Doc, error) bool) {
		fail := func(err error) { yield(Doc{}, fmt.Errorf("read %s: %w", index, err)) }
		if err := s.Refresh(ctx, index); err != nil {
			fail(err)
			return
		}
		var page struct {
			ScrollID string `json:"_scroll_id"`
			Shards   struct {
				Failed int `json:"failed"`
			} `json:"_shards"`
			Hits struct {
				Hits []Doc `json:"hits"`
			} `json:"hits"`
		}
		query := map[string]any{"size": pageSize, "sort": []string{"_doc"}}
		if len(fields) > 0 {
			query["_source"] = fields
		}
		err := s.Do(ctx, http.MethodPost, "/"+url.PathEscape(index)+"/_search?scroll=5m", query, &page)
		defer func() {
			if page.ScrollID != "" {
				_ = s.Do(context.WithoutCancel(ctx), http.MethodDelete, "/_search/scroll", map[string]any{"scroll_id": page.ScrollID}, nil)
			}
		}()
		for {
			if err == nil && page.Shards.Failed > 0 {
				err = fmt.Errorf("%d shards failed", page.Shards.Failed)
			}
			if err != nil {
				fail(err)
				return
			}
			for _, doc := range page.Hits.Hits {
				if !yield(doc, nil) {
					return
				}
			}
			if len(page.Hits.Hits) == 0 {
				return
			}
			next := map[string]any{"scroll": "5m", "scroll_id": page.ScrollID}
			page.Hits.Hits = nil // what was yielded belongs to the caller
			err = s.Do(ctx, http.MethodPost, "/_search/scroll", next, &page)
		}
	}
}

// AllIDs answers the ids of every document of an index or pattern, in no particular order.
func (s *Server) AllIDs(ctx context.Context, index string) ([]string, error) {
	var ids []string
	for doc, err := range s.Documents(ctx, index, "_none_") {
		if err != nil {
			return nil, err
		}
		ids = append(ids, doc.ID)
	}
	return ids, nil
}

// Values answers one top-level source field of every document of an index or pattern, as JSON text; null where it is absent.
func (s *Server) Values(ctx context.Context, index, field string) ([]string, error) {
	var values []string
	for doc, err := range s.Documents(ctx, index, field) {
		if err != nil {
			return nil, err
		}
		var source map[string]json.RawMessage
		if err := json.Unmarshal(doc.Source, &source); err != nil {
			return nil, fmt.Errorf("read %s/%s: %w", doc.Index, doc.ID, err)
		}
		text := string(source[field])
		if text == "" {
			text = "null"
		}
		values = append(values, text)
	}
	return values, nil
}
